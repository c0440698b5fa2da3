/**
 * Logouts that the identity provider told us of, kept for logins that were under way: a logout token may arrive before
 * the login that it is about has committed. Both sides take the same locks, so that one of the two always sees the other.
 */
import { sql } from 'kysely';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

/** Whom a logout is about: a session at the provider, a person there, or both. */
export interface UpstreamParty {
  /** Slug of the organization whose provider says it: another's may have the same issuer. */
  readonly organization: string;
  readonly issuer: string;
  readonly subject: string | null;
  readonly sid: string | null;
}

/** Longer than any login may take. */
const keptMilliseconds = 3_600_000;

/** For this transaction, in one order everywhere. Call it before anything else is locked. */
async function lockParty(tx: Tx, { organization, issuer, subject, sid }: UpstreamParty): Promise<void> {
  for (const [kind, value] of [
    ['sub', subject],
    ['sid', sid],
  ] as const) {
    if (value === null) continue;
    const key = JSON.stringify(['sallyport logout', organization, issuer, kind, value]);
    await sql`select pg_advisory_xact_lock(hashtextextended(${key}, 0))`.execute(tx);
  }
}

/**
 * Locks the party and leaves a tombstone: for its session there if one is named, else for the person. The sessions that
 * there are already are ended by the caller, after this.
 */
export async function leaveTombstone(tx: Tx, party: UpstreamParty, now: Date): Promise<void> {
  await lockParty(tx, party);
  const { organization, issuer, subject, sid } = party;
  const [kind, value] = sid === null ? (['sub', subject] as const) : (['sid', sid] as const);
  if (value === null) throw new TypeError('a logout names a session or a person');
  const expires_at = new Date(now.getTime() + keptMilliseconds);
  await tx
    .insertInto('logout_tombstones')
    .values({ organization, issuer, kind, value, at: now, expires_at })
    .onConflict((conflict) =>
      conflict.columns(['organization', 'issuer', 'kind', 'value']).doUpdateSet({ at: now, expires_at }),
    )
    .execute();
}

/**
 * Locks the party until the login has committed. Refused: a login of a session that was ended there, and one of a person
 * who was logged out there since the login began here.
 * @throws login_rejected
 */
export async function requireNotLoggedOut(
  tx: Tx,
  login: {
    readonly organizationSlug: string;
    readonly issuer: string;
    readonly subject: string;
    readonly upstreamSid: string | null;
    readonly startedAt: Date;
  },
): Promise<void> {
  const { organizationSlug: organization, issuer, subject, upstreamSid: sid, startedAt } = login;
  await lockParty(tx, { organization, issuer, subject, sid });
  const found = await tx
    .selectFrom('logout_tombstones')
    .select('kind')
    .where('organization', '=', organization)
    .where('issuer', '=', issuer)
    .where((where) =>
      where.or([
        where.and([where('kind', '=', 'sid'), where('value', '=', sid ?? '')]),
        where.and([where('kind', '=', 'sub'), where('value', '=', subject), where('at', '>=', startedAt)]),
      ]),
    )
    .executeTakeFirst();
  if (found === undefined) return;
  throw new SallyportError(
    'login_rejected',
    'You were logged out at the identity provider while you were logging in here. Log in again.',
    { detail: `logged out by ${found.kind}` },
  );
}

/** Returns how many were forgotten. */
export async function sweepTombstones(db: Database, now: Date): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('logout_tombstones')
    .where('expires_at', '<', now)
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}
