/**
 * Logins between two steps here: those whose provider is still to be chosen, and those that the provider has finished and
 * that still want a passkey. The browser holds nothing but an opaque handle, new at every step, which counts only beside
 * the cookie of the browser that began the login; what it stands for is sealed.
 */
import type { Database } from '../database/database.ts';
import type { Sealer } from '../secrets/seal.ts';
import { newToken, tokenHash } from '../secrets/token.ts';
import { stateInvalid } from './login-state.ts';

const lifetimeMilliseconds = 10 * 60_000;

export interface PendingPlace {
  readonly db: Database;
  readonly sealer: Sealer;
  /** From browserSecretOf(). */
  readonly browserSecret: string | undefined;
}

export interface Pending<Payload> {
  readonly payload: Payload;
  /** A login does not live longer for having more steps. */
  readonly expiresAt: Date;
}

/** @param expiresAt of the step before; absent: this is the first @returns the handle */
export async function savePending(
  { db, sealer, browserSecret }: PendingPlace,
  payload: object,
  now: Date,
  expiresAt = new Date(now.getTime() + lifetimeMilliseconds),
): Promise<string> {
  if (browserSecret === undefined) throw stateInvalid();
  const handle = newToken('pending');
  const secret_hash = tokenHash(handle);
  await db
    .insertInto('pending_logins')
    .values({
      secret_hash,
      browser_hash: tokenHash(browserSecret),
      payload: sealer.seal(JSON.stringify(payload), contextOf(secret_hash)),
      expires_at: expiresAt,
    })
    .execute();
  return handle;
}

/** Takes it: nobody can take it again. Another browser's attempt leaves it where it is. @throws login_state_invalid */
export async function consumePending(
  { db, sealer, browserSecret }: PendingPlace,
  handle: string,
  now: Date,
): Promise<Pending<unknown>> {
  if (browserSecret === undefined || handle === '') throw stateInvalid();
  const row = await db
    .deleteFrom('pending_logins')
    .where('secret_hash', '=', tokenHash(handle))
    .where('browser_hash', '=', tokenHash(browserSecret))
    .where('expires_at', '>', now)
    .returning(['secret_hash', 'payload', 'expires_at'])
    .executeTakeFirst();
  return opened(sealer, row);
}

/** Looks at it without taking it: for a page that may be loaded again. @throws login_state_invalid */
export async function peekPending(
  { db, sealer, browserSecret }: PendingPlace,
  handle: string,
  now: Date,
): Promise<Pending<unknown>> {
  if (browserSecret === undefined || handle === '') throw stateInvalid();
  const row = await db
    .selectFrom('pending_logins')
    .select(['secret_hash', 'payload', 'expires_at'])
    .where('secret_hash', '=', tokenHash(handle))
    .where('browser_hash', '=', tokenHash(browserSecret))
    .where('expires_at', '>', now)
    .executeTakeFirst();
  return opened(sealer, row);
}

/** Deletes those whose time is over. */
export async function sweepPending(db: Database, now: Date): Promise<void> {
  await db.deleteFrom('pending_logins').where('expires_at', '<', now).execute();
}

function opened(
  sealer: Sealer,
  row: { secret_hash: Buffer; payload: Buffer; expires_at: Date } | undefined,
): Pending<unknown> {
  if (row === undefined) throw stateInvalid();
  const text = sealer.open(row.payload, contextOf(row.secret_hash));
  return { payload: JSON.parse(text), expiresAt: row.expires_at };
}

function contextOf(secretHash: Buffer): string {
  return `pending_logins.payload/${secretHash.toString('hex')}`;
}
