/**
 * What `sallyport recover` does after a backup was restored or a standby took over: the database has forgotten what
 * happened since, revocations among it, so nothing it gave before counts any more. Everybody logs in again.
 */
import { sql } from 'kysely';
import { recordEvent } from '../audit/record-event.ts';
import { lockIdentity, writeIdentity } from '../ca/accept-database.ts';
import { changeSentence, readStanding, type Standing } from '../ca/database-identity.ts';
import { lastSerial, nextSerialOffset, raiseSerials, serialFloor } from '../ca/serials.ts';
import { revokeAllApiTokens } from '../credentials/revoke-api-token.ts';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { forgetAhead, highestAhead } from '../inventory/companion-contact.ts';
import { expireEnrolmentTokens } from '../inventory/enrolment.ts';
import { revokeSerialsUpTo } from '../revocation/revoked-ranges.ts';
import { bumpStateVersion, forgetVersionGaps } from '../revocation/state-version.ts';
import { endAllSessions } from '../sessions/end-all-sessions.ts';

export interface Assessment {
  readonly standing: Standing;
  readonly needed: boolean;
  /** When the last certificate that this database remembers was issued; null if there is none. */
  readonly remembersUntil: Date | null;
  readonly lastSerial: bigint;
  readonly liveSessions: number;
}

export interface Acceptance {
  readonly version: bigint;
}

export interface Recovery extends Acceptance {
  /** Every user and hop certificate with this serial or a lower one is revoked. */
  readonly revokedUpTo: bigint;
  readonly sessionsEnded: number;
  readonly enrolmentTokensExpired: number;
  readonly apiTokensRevoked: number;
}

/**
 * How long the range stays in the revocation list. Certificates live an hour; an old primary that nobody stopped goes
 * on issuing for longer, with serials below the range's end, and machines refuse what it issues for as long as this.
 */
const rangeKeptMilliseconds = 30 * 86_400_000;

/** What there is to know before a recovery; changes nothing. @throws database_unavailable on a standby */
export async function assessDatabase(tx: Tx, now: Date): Promise<Assessment> {
  const standing = await readStanding(tx);
  return {
    standing,
    needed: standing.accepted === undefined || standing.changes.length > 0,
    remembersUntil: await lastIssued(tx),
    lastSerial: await lastSerial(tx),
    liveSessions: await countLiveSessions(tx, now),
  };
}

/**
 * Makes the database the one that Sallyport works with, all in the caller's transaction: every earlier serial of the
 * user and hop CAs is revoked, every session, every API token and every unused enrolment token is worth nothing, and serials and versions
 * begin past whatever the lost history may have given. Host certificates stay: they say who a machine is, and give
 * nobody access.
 *
 * Undefined, and nothing is changed, if there was no need; `anyway` does it all the same.
 */
export async function recoverDatabase(
  tx: Tx,
  now: Date,
  { anyway }: { anyway: boolean },
): Promise<Recovery | undefined> {
  // Of two at once, one waits and then finds nothing to do.
  await sql`select pg_advisory_xact_lock(hashtext('sallyport recover'))`.execute(tx);
  const { standing, needed } = await assessDatabase(tx, now);
  if (!needed && !anyway) return undefined;

  // Locks are taken in the order of issuing: sessions, identity, version.
  let version = 0n;
  const sessionsEnded = await endAllSessions(
    tx,
    {
      reason: 'recovered',
      by: 'operator',
      version: async () => {
        await lockIdentity(tx);
        const atLeast = (await highestAhead(tx)) + 1n;
        version = await bumpStateVersion(tx, now, { krl: true, atLeast });
        return version;
      },
    },
    now,
  );
  const serialOffsetSeconds = nextSerialOffset(standing.serialOffsetSeconds);
  const revokedUpTo = highest(serialFloor(now, serialOffsetSeconds) - 1n, await lastSerial(tx));
  await revokeSerialsUpTo(tx, revokedUpTo, {
    caKeyIds: await keysOfUserCertificates(tx),
    version,
    until: new Date(now.getTime() + rangeKeptMilliseconds),
  });
  await raiseSerials(tx, revokedUpTo + 1n);
  const enrolmentTokensExpired = await expireEnrolmentTokens(tx, now);
  const apiTokensRevoked = await revokeAllApiTokens(tx, { by: 'operator' }, now);
  await forgetAhead(tx);
  await forgetVersionGaps(tx);
  await writeIdentity(tx, standing.present, { serialOffsetSeconds, now });
  await recordEvent(tx, {
    event: 'database.recovered',
    facts: {
      found: standing.changes.map(({ kind }) => kind),
      version: `${version}`,
      revoked_up_to: `${revokedUpTo}`,
      sessions_ended: sessionsEnded,
      api_tokens_revoked: apiTokensRevoked,
    },
  });
  return { version, revokedUpTo, sessionsEnded, enrolmentTokensExpired, apiTokensRevoked };
}

/**
 * Accepts the database as it is: for a planned switch-over or an upgrade, where whoever runs it knows that every commit
 * came along. Nobody logs in again and nothing is revoked; serials and versions go on past the old primary's all the same.
 *
 * Undefined, and nothing is changed, if there was no need.
 * @throws recovery_needed if a machine has what the database never gave: then something was lost
 */
export async function acceptUnchanged(tx: Tx, now: Date): Promise<Acceptance | undefined> {
  await sql`select pg_advisory_xact_lock(hashtext('sallyport recover'))`.execute(tx);
  const { standing, needed } = await assessDatabase(tx, now);
  if (!needed) return undefined;
  const ahead = standing.changes.find(({ kind }) => kind === 'companion_ahead');
  if (ahead) {
    throw new SallyportError(
      'recovery_needed',
      `Something was lost: ${changeSentence(ahead)}. Recover without --nothing-was-lost.`,
    );
  }
  await lockIdentity(tx);
  const version = await bumpStateVersion(tx, now, { krl: false });
  const serialOffsetSeconds = nextSerialOffset(standing.serialOffsetSeconds);
  await raiseSerials(tx, serialFloor(now, serialOffsetSeconds));
  await writeIdentity(tx, standing.present, { serialOffsetSeconds, now });
  await recordEvent(tx, {
    event: 'database.accepted',
    facts: { found: standing.changes.map(({ kind }) => kind), version: `${version}` },
  });
  return { version };
}

function highest(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** The generations that machines may still trust. */
async function keysOfUserCertificates(tx: Tx): Promise<string[]> {
  const rows = await tx
    .selectFrom('ca_keys')
    .select('id')
    .where('purpose', 'in', ['user', 'hop'])
    .where('state', '<>', 'retired')
    .execute();
  return rows.map(({ id }) => id);
}

/** Not the last audit event: refusals are recorded after the restore too. */
async function lastIssued(db: Database): Promise<Date | null> {
  const row = await db
    .selectFrom('certificates')
    .select('created_at')
    .orderBy('serial', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.created_at ?? null;
}

async function countLiveSessions(db: Database, now: Date): Promise<number> {
  const { count } = await db
    .selectFrom('login_sessions')
    .select((row) => row.fn.countAll<string>().as('count'))
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow();
  return Number(count);
}
