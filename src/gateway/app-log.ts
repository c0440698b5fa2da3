/**
 * A line in the log of the app itself when somebody gets in, is refused or goes: whoever reads the app's journal sees who
 * was on its machine. The record that counts is the CA's; this one is a courtesy, which may be missing.
 *
 * journalctl shows under a unit what root has written about it: OBJECT_SYSTEMD_UNIT (systemd.journal-fields(7)).
 */
import { z } from 'zod';
import type { CompanionState } from '../api/companions.ts';
import type { Connection } from './connection-file.ts';
import { type Log, logFailure } from './log.ts';
import { runProgram } from './run-program.ts';

export interface AppLogOptions {
  /** logger of util-linux, by its absolute path. */
  readonly program: string;
  /** The units whose journals are the logs of what the connection is for, as the inventory says now. */
  readonly unitsOf: (connection: Connection) => readonly (string | null)[];
  readonly log: Log;
}

const patienceMilliseconds = 5_000;
const unitName = z.string().regex(/^[A-Za-z0-9:_.@-]+$/);

export class AppLog {
  readonly #options: AppLogOptions;
  /** One after the other: nobody goes before they came. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: AppLogOptions) {
    this.#options = options;
  }

  started(connection: Connection): void {
    this.#write(connection, connection.way === 'refusal' ? 'was refused' : 'is in');
  }

  ended(connection: Connection): void {
    const { startedAtSeconds, way } = connection;
    if (startedAtSeconds !== null && way !== 'refusal') this.#write(connection, 'is out');
  }

  #write(connection: Connection, what: string): void {
    const { unitsOf, program, log } = this.#options;
    for (const unit of new Set(unitsOf(connection))) {
      if (unit === null || !unitName.safeParse(unit).success) continue;
      const input = entryText(unit, connection, what);
      this.#writing = this.#writing.then(async () => {
        try {
          await runProgram(program, ['--journald'], { input, patienceMilliseconds });
        } catch (error) {
          logFailure(log, 'warning', 'app_log.not_written', error);
        }
      });
    }
  }
}

/** Of the targets that somebody was let in to; who is refused wanted those that the login serves. */
export function unitsOf(
  { permitted, user }: Connection,
  state: Pick<CompanionState, 'targets'> | undefined,
): (string | null)[] {
  const names = new Set(permitted.map(({ name }) => name));
  const meant = (state?.targets ?? []).filter(({ targetName, login }) =>
    names.size > 0 ? names.has(targetName) : login === user,
  );
  return meant.map(({ journalUnit }) => journalUnit);
}

/** Every value has passed its schema: none holds a line end. */
function entryText(unit: string, { offer, clientAddress }: Connection, what: string): string {
  const { account, sessionId, serial } = offer;
  const keyId = `${account}/${sessionId}`;
  const from = clientAddress ?? 'unknown';
  return [
    `MESSAGE=ssh: ${account} ${what} (key id ${keyId}, serial ${serial}, from ${from})`,
    `OBJECT_SYSTEMD_UNIT=${unit.includes('.') ? unit : `${unit}.service`}`,
    'SYSLOG_IDENTIFIER=sallyport',
    'PRIORITY=6',
    '',
  ].join('\n');
}
