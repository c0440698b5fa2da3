/**
 * Rotation of refresh tokens that survives a lost reply and a race of two processes. A consumed token may be used again
 * for `graceSeconds` while nothing that took its place was used: what took its place is destroyed and a new one given.
 * Any other reuse ends the session (RFC 9700 section 4.14.2).
 *
 * `consumptions` is the fence. A request consumes the token from the count it has read to the next, and its successor is
 * stored only while the count is still its own. Of many requests at once, exactly the last to consume leaves one.
 * The session's row is locked first in every transaction here, as whoever ends a session does.
 */
import { errors } from 'oidc-provider';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { sessionByGrant } from '../sessions/find-session.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import { touchSession } from '../sessions/touch-session.ts';
import {
  consumeRecord,
  deleteSuccessors,
  findRecord,
  type NewRecord,
  recordId,
  type StoredRecord,
  saveRecord,
  successorWasUsed,
} from './record-store.ts';

const model = 'RefreshToken';
const graceSeconds = 30;

/** What one token request has read and done. */
export interface Rotation {
  readonly id: string;
  readonly grantId: string | undefined;
  /** How often the token had been consumed when this request read it. */
  readonly observed: number;
  /** Whether this request has consumed it. */
  consumed: boolean;
}

/** Whether a token, consumed before, may be used as if it were not. */
export async function isWithinGrace(
  db: Database,
  id: string,
  { consumedAt }: StoredRecord,
  now: Date,
): Promise<boolean> {
  if (consumedAt === null) return true;
  const ageMilliseconds = now.getTime() - consumedAt.getTime();
  return ageMilliseconds <= graceSeconds * 1000 && !(await successorWasUsed(db, id));
}

/** @throws oidc-provider's InvalidGrant for all but one of several requests at once, and if the session has ended */
export async function consumeRefreshToken(
  db: Database,
  { id, grantId, observed }: Rotation,
  now: Date,
): Promise<void> {
  await inSessionTransaction(db, grantId, now, async (tx, sessionId) => {
    const won = await consumeRecord(tx, { model, id, observed }, now);
    if (!won) throw new errors.InvalidGrant('another request used the refresh token at the same moment');
    if (observed > 0) {
      // Somebody may have used a successor since it was looked for.
      if (await successorWasUsed(tx, id)) throw new errors.InvalidGrant('refresh token already used');
      await deleteSuccessors(tx, id);
    }
    await touchSession(tx, sessionId, now);
  });
}

/** Stores the token that takes the place of the consumed one. @throws InvalidGrant if another request has overtaken */
export async function saveSuccessor(
  db: Database,
  { id, grantId, observed }: Rotation,
  successor: Omit<NewRecord, 'replaces'>,
  now: Date,
): Promise<void> {
  await inSessionTransaction(db, grantId, now, async (tx) => {
    const parent = await findRecord(tx, model, id);
    if (parent?.consumptions !== observed + 1) {
      throw new errors.InvalidGrant('another request used the refresh token at the same moment');
    }
    await saveRecord(tx, { ...successor, replaces: recordId(id) });
  });
}

async function inSessionTransaction(
  db: Database,
  grantId: string | undefined,
  now: Date,
  work: (tx: Tx, sessionId: string) => Promise<void>,
): Promise<void> {
  const session = grantId === undefined ? undefined : await sessionByGrant(db, grantId);
  if (session === undefined) throw new errors.InvalidGrant('the grant has no session');
  const { sessionId } = session;
  await inTransaction(db, async (tx) => {
    await lockLiveSession(tx, sessionId, 'update', now);
    await work(tx, sessionId);
  }).catch((error) => {
    if (isSallyportError(error) && error.code === 'session_ended') {
      throw new errors.InvalidGrant('the login session has ended');
    }
    throw error;
  });
}
