/**
 * Registers a key of a person's. It becomes a login session of its own, of kind `key`: so whatever ends sessions ends
 * keys, everywhere and at once. Rows of ended keys stay, and a key whose session was ended is never taken again: whoever
 * ended it may have had a reason.
 */
import { loadAccount } from '../accounts/account.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { decideRegisteredKey } from '../policy/decide-registered-key.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import { startSession } from '../sessions/start-session.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { policyRefusal } from './policy-refusal.ts';
import { liveKeys } from './registered-key-store.ts';

export interface NewRegisteredKey {
  /** The login that registers it. */
  readonly sessionId: string;
  /** SSH public key blob, which is acceptable and the person's own. */
  readonly publicKey: Buffer;
  readonly name: string;
  readonly expiresAt: Date;
  readonly publicOrigin: string;
  readonly clientAddress: string | null;
}

const mostLiveKeys = 20;

/** @returns its id @throws session_ended, access_denied, insufficient_user_authentication, name_taken, forbidden */
export async function registerKey(tx: Tx, asked: NewRegisteredKey, now: Date): Promise<string> {
  const { publicKey, name, expiresAt } = asked;
  const { accountId, account, organizationId } = await requireAllowed(tx, asked.sessionId, now);
  await requireRoom(tx, { accountId, account, publicKey, name }, now);

  const sessionId = await startSession(
    tx,
    {
      accountId,
      kind: 'key',
      // Ours, not the identity provider's: logging out there ends logins, not keys.
      issuer: asked.publicOrigin,
      amr: [],
      acr: null,
      authTime: now,
      mfa: false,
      mfaBy: null,
      expiresAt,
      clientAddress: asked.clientAddress,
      clientName: `registered key ${name}`,
    },
    now,
  );
  // An earlier one of the same key, which has expired.
  await tx.deleteFrom('registered_keys').where('public_key', '=', publicKey).execute();
  const { id } = await tx
    .insertInto('registered_keys')
    .values({
      account_id: accountId,
      session_id: sessionId,
      name,
      public_key: publicKey,
      fingerprint: fingerprint(publicKey),
      created_at: now,
      expires_at: expiresAt,
      last_used_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await recordEvent(tx, {
    event: 'ssh_key.registered',
    organizationId,
    accountId,
    sessionId,
    facts: {
      key: id,
      name,
      account,
      fingerprint: fingerprint(publicKey),
      by: account,
      expires_at: Math.floor(expiresAt.getTime() / 1000),
    },
  });
  await bumpStateVersion(tx, now, { krl: false });
  return id;
}

async function requireAllowed(tx: Tx, sessionId: string, now: Date) {
  const { accountId, facts: session } = await lockLiveSession(tx, sessionId, 'share', now);
  const { facts: account, organization, organizationId } = await loadAccount(tx, accountId);
  const { registered_keys: registeredKeys } = await tx
    .selectFrom('organizations')
    .select('registered_keys')
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow();
  const facts = { account, organization, session, registeredKeys };
  const decision = decideRegisteredKey(facts, Math.floor(now.getTime() / 1000));
  if (!decision.allowed) throw policyRefusal(decision.reasons);
  return { accountId, account: account.name, organizationId };
}

async function requireRoom(
  tx: Tx,
  asked: {
    readonly accountId: string;
    readonly account: string;
    readonly publicKey: Buffer;
    readonly name: string;
  },
  now: Date,
): Promise<void> {
  const { accountId, account, publicKey, name } = asked;
  // Two keys of one account are registered one after the other.
  await tx.selectFrom('accounts').select('id').where('id', '=', accountId).forNoKeyUpdate().execute();
  const live = await liveKeys(tx, { accountId }, now)
    .select(['registered_keys.name', 'registered_keys.public_key'])
    .execute();
  const same = live.find((key) => key.public_key.equals(publicKey));
  if (same) {
    throw new SallyportError('name_taken', `This key is registered already, as ${same.name}.`);
  }
  if (live.some((key) => key.name === name)) {
    throw new SallyportError(
      'name_taken',
      `A key of ${account} is called ${name} already. Choose another name: --name`,
    );
  }
  if (live.length >= mostLiveKeys) {
    throw new SallyportError(
      'forbidden',
      `${account} has ${mostLiveKeys} registered keys, the most there may be. Remove one: sally ssh-keys remove`,
    );
  }
}
