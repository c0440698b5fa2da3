/** How a machine becomes a companion: a one-time token, spent for a credential. */
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { newToken, tokenHash } from '../secrets/token.ts';
import { type Companion, companionById, companionOf, noCompanion } from './companion.ts';

/** @returns the token, which is stored only as a digest @throws not_found, also for a revoked companion */
export async function createEnrolmentToken(
  tx: Tx,
  companionId: string,
  { now, lifetimeSeconds }: { now: Date; lifetimeSeconds: number },
): Promise<string> {
  const companion = await companionById(tx, companionId);
  if (companion.revokedAt !== null) throw noCompanion();
  const token = newToken('enrol');
  const expiresAt = new Date(now.getTime() + lifetimeSeconds * 1000);
  await tx
    .insertInto('enrolment_tokens')
    .values({ token_hash: tokenHash(token), companion_id: companionId, expires_at: expiresAt })
    .execute();
  await recordEvent(tx, {
    event: 'enrolment_token.created',
    organizationId: companion.organizationId,
    facts: { companion: companion.name, expires_at: Math.floor(expiresAt.getTime() / 1000) },
  });
  return token;
}

/**
 * Spends the token: of any number of callers at once exactly one gets the companion, unless its transaction rolls back.
 * @throws enrolment_refused, the same whether the token is unknown, spent or too old
 */
export async function consumeEnrolmentToken(tx: Tx, token: string, now: Date): Promise<Companion> {
  const spent = await tx
    .updateTable('enrolment_tokens')
    .set({ used_at: now })
    .where('token_hash', '=', tokenHash(token))
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .returning('companion_id')
    .executeTakeFirst();
  if (spent) {
    const row = await tx
      .selectFrom('companions')
      .selectAll()
      .where('id', '=', spent.companion_id)
      .where('revoked_at', 'is', null)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (row) return companionOf(row);
  }
  throw new SallyportError(
    'enrolment_refused',
    'The enrolment token is not valid: it was used before, is too old, or never was one. Ask for a new one.',
  );
}

/** No token that is still unused can be spent any more: who has one may have spent it before. Returns how many. */
export async function expireEnrolmentTokens(tx: Tx, now: Date): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable('enrolment_tokens')
    .set({ expires_at: now })
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
}

/** Whom the token is or was for, spent and expired ones included; undefined if it was never given out. */
export async function companionOfToken(db: Database, token: string): Promise<Companion | undefined> {
  const row = await db
    .selectFrom('enrolment_tokens')
    .select('companion_id')
    .where('token_hash', '=', tokenHash(token))
    .executeTakeFirst();
  return row && (await companionById(db, row.companion_id));
}

export interface Enrolment {
  /** SSH wire form of the machine's host key, its possession proven. */
  readonly hostKey: Buffer;
  /** tokenHash() of the credential that the companion is given. */
  readonly credentialHash: Buffer;
}

/** Makes the machine the companion. An earlier machine's credential and acknowledgements end here. @throws not_found */
export async function completeEnrolment(
  tx: Tx,
  companionId: string,
  { hostKey, credentialHash }: Enrolment,
  now: Date,
): Promise<void> {
  const row = await tx
    .updateTable('companions')
    .set({
      host_key: hostKey,
      credential_hash: credentialHash,
      enrolled_at: now,
      last_seen_at: now,
      acknowledged_version: null,
      acknowledged_krl_version: null,
      acknowledged_at: null,
      connections_ended: 0,
      problem: null,
    })
    .where('id', '=', companionId)
    .where('revoked_at', 'is', null)
    .returning(['organization_id', 'kind', 'name'])
    .executeTakeFirst();
  if (row === undefined) throw noCompanion();
  await recordEvent(tx, {
    event: 'companion.enrolled',
    organizationId: row.organization_id,
    facts: { companion: row.name, kind: row.kind },
  });
  await bumpStateVersion(tx, now, { krl: false });
}
