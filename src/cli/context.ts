/** What every command is given. */

import type { DebugLog } from './debug-log.ts';
import type { DpopNonce } from './dpop-nonce.ts';
import type { SallyEnvironment } from './environment.ts';
import type { Keychain } from './keychain/keychain.ts';
import type { MachineCredential } from './machine-credential.ts';
import type { RunProgram } from './run-program.ts';
import type { StatePaths } from './state-paths.ts';
import type { Terminal } from './terminal.ts';

/** Resolves with a line; rejects with an AbortError when it is not wanted any more. */
export type Ask = (question: string, signal?: AbortSignal) => Promise<string>;

export interface Pipes {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

export interface SallyContext {
  readonly environment: SallyEnvironment;
  readonly paths: StatePaths;
  readonly terminal: Terminal;
  readonly debug: DebugLog;
  readonly nonce: DpopNonce;
  /** Whose word counts for this login, where it says so: a file, or null for the machine's own; absent: the profile's. */
  readonly caFile?: string | null;
  /** Where the system keeps secrets; absent where this `sally` knows of none. */
  readonly keychain?: Keychain;
  /** What this `sally` is in the name of, if it is not a person. */
  readonly machine: MachineCredential | undefined;
  readonly now: () => Date;
  /** How long the server may take for one request. */
  readonly patienceMilliseconds: number;
  /** Opens the person's browser; resolves when it was told, rejects if there is none. */
  readonly openBrowser: (url: string) => Promise<void>;
  /** Asks the person and resolves with the answer; absent where there is no terminal. */
  readonly ask?: Ask;
  /** Whether a command may have the person log in again in its middle. */
  readonly mayStepUp: boolean;
  readonly wait: (milliseconds: number) => Promise<void>;
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Runs a program in the person's terminal. */
  readonly runProgram: RunProgram;
  /** Standard input and output as they are, for what only passes bytes on. */
  readonly pipes?: Pipes;
}

export function nowSeconds({ now }: Pick<SallyContext, 'now'>): number {
  return Math.floor(now().getTime() / 1000);
}
