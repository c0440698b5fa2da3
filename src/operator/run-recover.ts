/** `sallyport recover`: says what happened to the database and what it will do, asks, and does it. */
import { createInterface } from 'node:readline/promises';
import { changeSentence, type DatabaseIdentity } from '../ca/database-identity.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { migrateToLatest } from '../database/migrate.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type Assessment, assessDatabase, type Recovery, recoverDatabase } from './recover-database.ts';
import { withDatabase } from './with-database.ts';

export interface RecoverOptions {
  /** Do not ask. */
  readonly yes?: boolean;
  /** One JSON document on stdout. */
  readonly json?: boolean;
  /** Also where nothing tells that the database has forgotten anything. */
  readonly anyway?: boolean;
}

export interface RecoverSurroundings {
  readonly environment: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream;
  readonly clock: () => Date;
}

/** A refresh that is under way takes its locks in another order; the loser begins again. */
const retries = 5;

/**
 * Run again it finds nothing to do. Killed at any moment it has done everything or nothing.
 * @throws recovery_needed if nobody was there to say yes; settings_invalid, database_unavailable
 */
export async function runRecover(
  options: RecoverOptions,
  { environment, stdin, stdout, clock }: RecoverSurroundings,
): Promise<void> {
  const { yes = false, json = false, anyway = false } = options;
  const print = (lines: readonly string[]) => stdout.write(lines.map((line) => `${line}\n`).join(''));
  await withDatabase(environment, async (database) => {
    await migrateToLatest(database.db);
    const found = await inTransaction(database.db, (tx) => assessDatabase(tx, clock()));
    if (!json) print(describeAssessment(found));
    const wanted = found.needed || anyway;
    if (wanted && !json) print(describePlan(found));
    const agreed = wanted && (yes || (!json && (await isAgreed(stdin, stdout))));
    const done = agreed ? await recover(database, { anyway, clock }) : undefined;
    if (json) print([JSON.stringify(recoverDocument(found, done))]);
    else if (done) print(describeRecovery(done));
    if (wanted && !agreed) throw notAgreed();
  });
}

function recover(
  { db }: DatabaseHandle,
  { anyway, clock }: { anyway: boolean; clock: () => Date },
): Promise<Recovery | undefined> {
  return inTransaction(db, (tx) => recoverDatabase(tx, clock(), { anyway }), { retries });
}

/** Nobody is asked where there is no terminal. */
async function isAgreed(
  stdin: RecoverSurroundings['stdin'],
  stdout: NodeJS.WritableStream,
): Promise<boolean> {
  if (stdin.isTTY !== true) return false;
  const terminal = createInterface({ input: stdin, output: stdout });
  try {
    return (await terminal.question('Type yes to recover: ')).trim() === 'yes';
  } finally {
    terminal.close();
  }
}

function notAgreed(): SallyportError {
  return new SallyportError('recovery_needed', 'Nothing was done. To recover: sallyport recover --yes');
}

function describeAssessment({ standing, needed, remembersUntil, lastSerial }: Assessment): string[] {
  const { accepted, present, changes } = standing;
  return [
    `This database is ${describeIdentity(present)}.`,
    accepted
      ? `The one accepted on ${accepted.acceptedAt.toISOString()} is ${describeIdentity(accepted)}.`
      : 'It was never accepted by a server.',
    remembersUntil
      ? `The last certificate that it remembers was issued at ${remembersUntil.toISOString()}; its last serial is ${lastSerial}.`
      : 'It remembers no certificate.',
    ...(needed ? ['', 'What happened:', ...changes.map((change) => `- ${changeSentence(change)}`)] : []),
    ...(needed ? [] : ['', 'Nothing tells that it has forgotten anything: there is nothing to do.']),
  ];
}

function describeIdentity({ systemIdentifier, timeline, databaseOid }: DatabaseIdentity): string {
  return `cluster ${systemIdentifier}, timeline ${timeline}, database ${databaseOid}`;
}

function describePlan({ liveSessions }: Assessment): string[] {
  return [
    '',
    'Recovering',
    '- revokes every certificate of a person that was ever issued; machines refuse them as soon as they hear of it',
    `- ends ${liveSessions} login sessions: everybody logs in again`,
    '- spends every unused enrolment token',
    '- lets serials and versions go on past everything that may have been given',
    '- lets certificates be issued again',
    'Host certificates stay. What admins changed after the time above is not brought back: look at disabled accounts,',
    'access rules, revoked machines and CA keys before people log in.',
    '',
  ];
}

function describeRecovery({
  version,
  revokedUpTo,
  sessionsEnded,
  enrolmentTokensExpired,
}: Recovery): string[] {
  return [
    `Recovered with state version ${version}: serials up to ${revokedUpTo} are revoked, ${sessionsEnded} sessions ended, ` +
      `${enrolmentTokensExpired} enrolment tokens spent. Servers that run issue certificates again.`,
  ];
}

/** Numbers over 2^53 are decimal text. */
function recoverDocument(found: Assessment, done: Recovery | undefined) {
  const { standing, needed, remembersUntil, lastSerial, liveSessions } = found;
  return {
    needed,
    found: standing.changes.map((change) => ({ kind: change.kind, message: changeSentence(change) })),
    accepted: standing.accepted ? identityDocument(standing.accepted) : null,
    present: identityDocument(standing.present),
    remembers_until: remembersUntil?.toISOString() ?? null,
    last_serial: `${lastSerial}`,
    live_sessions: liveSessions,
    recovered: done
      ? {
          version: `${done.version}`,
          revoked_up_to: `${done.revokedUpTo}`,
          sessions_ended: done.sessionsEnded,
          enrolment_tokens_expired: done.enrolmentTokensExpired,
        }
      : null,
  };
}

function identityDocument({ systemIdentifier, timeline, databaseOid }: DatabaseIdentity) {
  return { system_identifier: systemIdentifier, timeline, database_oid: databaseOid };
}
