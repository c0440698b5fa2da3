/**
 * Revokes narrowed certificates that say what is not so any more: a role was taken away, SSH was switched off, the rule
 * for second factors became stricter. Companions know better at once; hosts without one learn it from the next list.
 */
import { sql } from 'kysely';
import { loadAccounts } from '../accounts/account.ts';
import { recordEvents } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { environmentsByName } from '../inventory/environment-facts.ts';
import type { AccessRuleFacts, EnvironmentFacts, SessionFacts } from '../policy/facts.ts';
import { stillHolds } from '../policy/still-holds.ts';
import { reasonsBesideKey, revokeCertificates } from '../revocation/revoke-certificates.ts';

/** @returns how many were revoked */
export async function revokeUntrueCertificates(db: Database, now: Date): Promise<number> {
  return await inTransaction(db, async (tx) => {
    const untrue = await untrueCertificates(tx, now);
    if (untrue.length === 0) return 0;
    const { serials } = await revokeCertificates(
      tx,
      { serials: untrue.map(({ serial }) => serial) },
      reasonsBesideKey.untrue,
      now,
    );
    await recordEvents(
      tx,
      untrue
        .filter(({ serial }) => serials.includes(serial))
        .map(({ serial, keyId, principals, accountId, sessionId, organizationId }) => ({
          event: 'certificate.revoked' as const,
          organizationId,
          accountId,
          sessionId,
          facts: { serial: `${serial}`, key_id: keyId, principals, reason: reasonsBesideKey.untrue },
        })),
    );
    return serials.length;
  });
}

async function untrueCertificates(tx: Tx, now: Date): Promise<(Narrowed & { organizationId: string })[]> {
  const narrowed = await narrowedCertificates(tx, now);
  const accounts = await loadAccounts(tx, [...new Set(narrowed.map(({ accountId }) => accountId))]);
  const rules = new Map<string, readonly AccessRuleFacts[]>();
  for (const accountId of accounts.keys()) rules.set(accountId, await rulesForAccount(tx, accountId));
  const placed = narrowed.flatMap((one) => {
    const account = accounts.get(one.accountId);
    return account ? [{ ...one, organizationId: account.organizationId, ...one.decided.environment }] : [];
  });
  const environments = await environmentsByName(tx, placed);
  const nowSeconds = Math.floor(now.getTime() / 1000);
  return placed.filter((one) => {
    const account = accounts.get(one.accountId);
    if (account === undefined) return true;
    const facts = {
      account: account.facts,
      organization: account.organization,
      session: one.decided.session,
      environment: environments.get(one),
      rules: rules.get(one.accountId) ?? [],
    };
    return !stillHolds(one, facts, nowSeconds);
  });
}

interface Narrowed {
  readonly serial: bigint;
  readonly keyId: string;
  readonly principals: readonly string[];
  readonly validBeforeSeconds: number;
  readonly accountId: string;
  readonly sessionId: string;
  /** What was stored with it: issue-user-certificate.ts, encode(). */
  readonly decided: {
    readonly environment: Pick<EnvironmentFacts, 'project' | 'environment'>;
    readonly session: SessionFacts;
  };
}

/** Those that are in their time and not revoked. */
async function narrowedCertificates(tx: Tx, now: Date): Promise<Narrowed[]> {
  const rows = await tx
    .selectFrom('certificates')
    .select(['serial', 'key_id', 'principals', 'valid_before', 'account_id', 'session_id', 'decision'])
    // As certificates_narrowed_index has it.
    .where(sql<boolean>`decision -> 'environment' is not null`)
    .where('valid_before', '>', now)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('revoked_serials')
            .select('revoked_serials.serial')
            .whereRef('revoked_serials.serial', '=', 'certificates.serial'),
        ),
      ),
    )
    .orderBy('serial')
    .execute();
  return rows.map((row) => ({
    serial: BigInt(row.serial),
    keyId: row.key_id,
    principals: row.principals,
    validBeforeSeconds: Math.floor(row.valid_before.getTime() / 1000),
    accountId: row.account_id ?? '',
    sessionId: row.session_id ?? '',
    decided: row.decision as unknown as Narrowed['decided'],
  }));
}
