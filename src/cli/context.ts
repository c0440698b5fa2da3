/** What every command is given. */
import type { DebugLog } from './debug-log.ts';
import type { SallyEnvironment } from './environment.ts';
import type { StatePaths } from './state-paths.ts';
import type { Terminal } from './terminal.ts';

export interface SallyContext {
  readonly environment: SallyEnvironment;
  readonly paths: StatePaths;
  readonly terminal: Terminal;
  readonly debug: DebugLog;
  readonly now: () => Date;
  /** How long the server may take for one request. */
  readonly patienceMilliseconds: number;
  /** Opens the person's browser; resolves when it was told, rejects if there is none. */
  readonly openBrowser: (url: string) => Promise<void>;
  /** Asks the person and resolves with the answer; absent where there is no terminal. */
  readonly ask?: (question: string) => Promise<string>;
  readonly stdin?: AsyncIterable<Uint8Array>;
}

export function nowSeconds({ now }: Pick<SallyContext, 'now'>): number {
  return Math.floor(now().getTime() / 1000);
}
