/** Runs ssh and its relatives in the person's terminal: argument arrays, no shell, and the program's own exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface ProgramRun {
  readonly program: string;
  readonly args: readonly string[];
  /** held: an input that stays open and says nothing, until sally itself ends. */
  readonly stdin?: 'inherit' | 'held' | 'ignore';
  /** It lives on without sally, and says nothing. */
  readonly inBackground?: boolean;
}

/** Resolves with the exit code, as a shell would tell it. @throws program_missing */
export type RunProgram = (run: ProgramRun) => Promise<number>;

const forwarded = ['SIGTERM', 'SIGHUP'] as const;
/** The terminal sends these to the program too, which decides what they mean. */
const left = ['SIGINT', 'SIGQUIT'] as const;

export function programRunner(environment: NodeJS.ProcessEnv): RunProgram {
  return async ({ program, args, stdin = 'inherit', inBackground = false }) => {
    if (inBackground) {
      spawn(program, [...args], { env: environment, stdio: 'ignore', detached: true })
        .on('error', () => {})
        .unref();
      return 0;
    }
    const child = spawn(program, [...args], {
      env: environment,
      stdio: [stdin === 'held' ? 'pipe' : stdin, 'inherit', 'inherit'],
    });
    child.stdin?.on('error', () => {});
    const forward = (signal: NodeJS.Signals) => void child.kill(signal);
    let wasInterrupted = false;
    const leave = (signal: NodeJS.Signals) => {
      wasInterrupted ||= signal === 'SIGINT';
    };
    for (const signal of forwarded) process.on(signal, forward);
    for (const signal of left) process.on(signal, leave);
    try {
      const status = await ended(program, child);
      // ssh says of Ctrl-C what it says of every failure.
      return wasInterrupted && status === 255 ? 128 + constants.signals.SIGINT : status;
    } finally {
      for (const signal of forwarded) process.off(signal, forward);
      for (const signal of left) process.off(signal, leave);
      child.stdin?.destroy();
    }
  };
}

function ended(program: string, child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? missing(program) : error);
    });
    child.once('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

function missing(program: string): SallyportError {
  const what = program === 'rsync' ? 'rsync' : 'openssh-client';
  return new SallyportError(
    'program_missing',
    `${program} is not installed here. On Debian and Ubuntu: apt install ${what}; elsewhere look for OpenSSH or rsync in the system's packages.`,
  );
}
