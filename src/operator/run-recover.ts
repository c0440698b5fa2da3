/** `sallyport recover`: says what happened to the database and what it will do, asks, and does it. */
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { Tx } from '../database/database.ts';
import { migrateToLatest } from '../database/migrate.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type Assessment, acceptUnchanged, assessDatabase, recoverDatabase } from './recover-database.ts';
import {
  type Done,
  describeAcceptance,
  describeAssessment,
  describeDone,
  describeRecovery,
  recoverDocument,
} from './recover-text.ts';
import { withDatabase } from './with-database.ts';

export interface RecoverOptions {
  /** Do not ask. */
  readonly yes?: boolean;
  /** One JSON document on stdout. */
  readonly json?: boolean;
  /** Also where nothing tells that the database has forgotten anything. */
  readonly anyway?: boolean;
  /** A planned switch-over: revokes nothing and ends no session. */
  readonly nothingWasLost?: boolean;
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
  const { yes = false, json = false } = options;
  const print = (lines: readonly string[]) => stdout.write(lines.map((line) => `${line}\n`).join(''));
  const tell = (lines: readonly string[]) => json || print(lines);
  await withDatabase(environment, async ({ db }) => {
    await migrateToLatest(db);
    const way = options.nothingWasLost ? accepting : recovering(options.anyway ?? false);
    const found = await inTransaction(db, (tx) => assessDatabase(tx, clock()));
    tell(describeAssessment(found));
    const isWanted = way.isWanted(found);
    if (isWanted) tell(way.plan(found));
    const isAgreed = isWanted && (yes || (!json && (await askForYes(stdin, stdout))));
    const done = isAgreed ? await inTransaction(db, (tx) => way.work(tx, clock()), { retries }) : undefined;
    if (json) print([JSON.stringify(recoverDocument(found, done))]);
    else if (done) print(describeDone(done));
    if (isWanted && !isAgreed) throw notAgreed(options);
  });
}

/** What there is to do, once it is known what happened. */
interface Way {
  isWanted(found: Assessment): boolean;
  plan(found: Assessment): string[];
  work(tx: Tx, now: Date): Promise<Done | undefined>;
}

const accepting: Way = {
  isWanted: ({ needed }) => needed,
  plan: describeAcceptance,
  work: acceptUnchanged,
};

function recovering(anyway: boolean): Way {
  return {
    isWanted: ({ needed }) => needed || anyway,
    plan: describeRecovery,
    work: (tx, now) => recoverDatabase(tx, now, { anyway }),
  };
}

/** Nobody is asked where there is no terminal. */
async function askForYes(
  stdin: RecoverSurroundings['stdin'],
  stdout: NodeJS.WritableStream,
): Promise<boolean> {
  if (stdin.isTTY !== true) return false;
  const terminal = createInterface({ input: stdin, output: stdout });
  try {
    // Its input may end without an answer.
    const left = once(terminal, 'close').then(() => '');
    const answer = await Promise.race([terminal.question('Type yes to go on: '), left]);
    return answer.trim() === 'yes';
  } finally {
    terminal.close();
  }
}

/** Names the options that were given: without them the command would do something else. */
function notAgreed({ anyway = false, nothingWasLost = false }: RecoverOptions): SallyportError {
  const given = `${nothingWasLost ? ' --nothing-was-lost' : ''}${anyway ? ' --anyway' : ''}`;
  const aim = nothingWasLost ? 'To accept it as it is' : 'To recover';
  return new SallyportError('recovery_needed', `Nothing was done. ${aim}: sallyport recover${given} --yes`);
}
