/** `sally`: runs a command, and says what became of it. */
import { CommanderError } from 'commander';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { sallyCommands } from './command-line/commands.ts';
import type { Ask, Pipes, SallyContext } from './context.ts';
import { createDebugLog } from './debug-log.ts';
import { dpopNonce } from './dpop-nonce.ts';
import type { SallyEnvironment, TextSink } from './environment.ts';
import { type ExitName, exitCodes, exitNameOf } from './exit-codes.ts';
import { guardedSink } from './guarded-sink.ts';
import { systemKeychain } from './keychain/system-keychain.ts';
import { machineCredential } from './machine-credential.ts';
import { printable } from './printable.ts';
import { profileInUse } from './profiles/active-profile.ts';
import { forProfile } from './profiles/suggested-commands.ts';
import { programRunner, type RunProgram } from './run-program.ts';
import { statePaths } from './state-paths.ts';
import { createTerminal, messageLines, terminalColumns } from './terminal.ts';

export interface SallyRun {
  /** Without the program's name. */
  readonly argv: readonly string[];
  readonly environment: SallyEnvironment;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly now: () => Date;
  readonly wait: (milliseconds: number) => Promise<void>;
  /** Opens the person's browser with an address that has been checked. */
  readonly openBrowser: (url: string) => Promise<void>;
  /** Asks on the terminal; absent where there is none. */
  readonly ask?: Ask;
  /** Standard input, for `inspect -`. */
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly pipes?: Pipes;
  /** Runs ssh and the like; absent: for real, without any environment. */
  readonly runProgram?: RunProgram;
}

/** A person runs these by hand, and each has asked a server already. */
const offersUpdates: ReadonlySet<string> = new Set(['login', 'whoami', 'ls', 'doctor']);

/** Runs one command. @returns the exit code; errors are on stderr by then */
export async function runSally(given: SallyRun): Promise<number> {
  const colors = hasColors(given);
  const stderr = guardedSink(given.stderr, { colors });
  const run: SallyRun = { ...given, stdout: guardedSink(given.stdout, { colors }), stderr };
  const { environment } = run;
  const debug = createDebugLog(environment.debug ?? false, stderr);
  let exit: ExitName | number = 'done';
  const program = await sallyCommands(run, async (work, home) => {
    exit = await work(contextOf(run, debug, { home, profile: program.opts()['profile'] }));
  });
  try {
    await program.parseAsync([...run.argv], { from: 'user' });
    if (exit === 'done' && offersUpdates.has(run.argv[0] ?? '')) {
      const { dailyCheck } = await import('./release/daily-check.ts');
      await dailyCheck(contextOf(run, debug, { home: undefined, profile: program.opts()['profile'] }));
    }
    return typeof exit === 'number' ? exit : exitCodes[exit].number;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.done.number : exitCodes.usage.number;
    }
    const { name, lines } = explained(error);
    const typed = commandsFor(program.opts()['profile']);
    debug.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    // A library's message may quote what it could not read.
    const said = lines.flatMap((line) =>
      messageLines(`sally: ${typed(debug.cleaned(line))}`, environment.messageColumns ?? 0),
    );
    for (const line of said) stderr.write(`${line}\n`);
    return exitCodes[name].number;
  }
}

function hasColors({ environment }: SallyRun): boolean {
  return (environment.isTerminal ?? false) && !environment.noColor;
}

/** What a sentence's commands are for whoever typed this one: for the profile that it was given, if any. */
function commandsFor(profile: string | undefined): (text: string) => string {
  return profile === undefined ? (text) => text : (text) => forProfile(text, profile);
}

/** How long the server may take for one request. */
const patienceMilliseconds = 15_000;

interface Said {
  readonly home: string | undefined;
  readonly profile: string | undefined;
}

function contextOf(run: SallyRun, debug: SallyContext['debug'], said: Said): SallyContext {
  const { environment, stdout, stderr, now, wait, openBrowser, ask, stdin, pipes } = run;
  const colors = hasColors(run);
  const machine = machineCredential(environment.machine, debug, async (url, headers) => {
    const { fetchElsewhere } = await import('./tls/fetch-elsewhere.ts');
    return await fetchElsewhere({ environment, debug, patienceMilliseconds }, url, headers);
  });
  let found: SallyContext['paths'] | undefined;
  return {
    environment,
    // When it is asked for: not every command needs a home folder.
    get paths() {
      const folder = said.home ?? environment.home ?? environment.passwdHome;
      const profile = () => profileInUse(folder, said.profile ?? environment.profile);
      if (found) return found;
      found = statePaths(folder, machine ? 'machine' : 'person', profile());
      debug.say(`goes by the profile ${found.profile}, state in ${found.own}`);
      return found;
    },
    keychain: systemKeychain(environment),
    terminal: createTerminal({
      typed: commandsFor(said.profile),
      stdout,
      stderr,
      colors,
      columns: terminalColumns(environment),
      // When there is a message: to look at stderr takes milliseconds.
      get messageColumns() {
        return environment.messageColumns ?? 0;
      },
    }),
    debug,
    nonce: dpopNonce(),
    machine,
    now,
    wait,
    patienceMilliseconds,
    openBrowser,
    mayStepUp: environment.personIsThere ?? false,
    // A machine is asked nothing, wherever it runs.
    ...(ask && !machine && { ask }),
    ...(stdin && { stdin }),
    runProgram: run.runProgram ?? programRunner({}),
    ...(pipes && { pipes }),
  };
}

/** One or two lines for the person, whatever happened. */
function explained(error: unknown): { name: ExitName; lines: string[] } {
  if (isSallyportError(error)) return { name: exitNameOf(error.code), lines: [error.message] };
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  const why = fileTroubles[code ?? ''];
  if (why && syscall) return { name: 'files', lines: [`${path ?? 'a file below ~/.ssh'} ${why}`] };
  const message = error instanceof Error ? error.message : String(error);
  return {
    name: 'failed',
    lines: [`unexpected error: ${printable(message)}`, 'With SALLY_DEBUG=1 before the command it says more.'],
  };
}

const fileTroubles: Readonly<Record<string, string>> = {
  EACCES: 'may not be read or written by you. Look at its owner and mode: ls -ld',
  EPERM: 'may not be changed by you. Look at its owner and attributes: ls -ld',
  EROFS: 'is on a file system that cannot be written now. ssh goes on with the certificate that is there.',
  ENOSPC: 'does not fit: the disk is full. Make room and try again.',
  EDQUOT: 'does not fit: your quota is used up. Make room and try again.',
  EEXIST: 'is there already and is not a folder. Move it away and try again.',
  ENOTDIR: 'has a file where a folder should be. Move it away and try again.',
  EISDIR: 'is a folder where a file should be. Move it away and try again.',
};
