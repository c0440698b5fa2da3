/** Runs ssh and its relatives in the person's terminal: argument arrays, no shell, and the program's own exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { missingProgram } from './missing-program.ts';

export interface ProgramRun {
  readonly program: string;
  readonly args: readonly string[];
  /** Variables beside those that every program gets. */
  readonly environment?: Readonly<Record<string, string>>;
  /** held: an input that stays open and says nothing, until sally itself ends. */
  readonly stdin?: 'inherit' | 'held' | 'ignore';
  /** It lives on without sally, and says nothing. */
  readonly inBackground?: boolean;
  /** Is told what the program writes on stderr, which the person sees as it comes all the same. */
  readonly onStderr?: (chunk: Buffer) => void;
}

/** Resolves with the exit code, as a shell would tell it. @throws program_missing */
export type RunProgram = (run: ProgramRun) => Promise<number>;

const forwarded = ['SIGTERM', 'SIGHUP'] as const;
/** The terminal sends these to the program too, which decides what they mean. */
const left = ['SIGINT', 'SIGQUIT'] as const;

/** By which ssh runs, whose fast path looks for a machine's credential; and `sally` itself. */
const carriers: ReadonlySet<string> = new Set(['ssh', 'scp', 'sftp', 'rsync', process.execPath]);

/** @param others what programs get that know nothing of a machine's credential, such as database clients */
export function programRunner(own: NodeJS.ProcessEnv, others: NodeJS.ProcessEnv = own): RunProgram {
  return async ({ program, args, environment: more, stdin = 'inherit', inBackground = false, onStderr }) => {
    const environment = { ...(carriers.has(program) ? own : others), ...more };
    if (inBackground) {
      spawn(program, [...args], { env: environment, stdio: 'ignore', detached: true })
        .on('error', () => {})
        .unref();
      return 0;
    }
    const child = spawn(program, [...args], {
      env: environment,
      stdio: [stdin === 'held' ? 'pipe' : stdin, 'inherit', onStderr ? 'pipe' : 'inherit'],
    });
    child.stdin?.on('error', () => {});
    const passedOn = onStderr && passOn(child, onStderr);
    const forward = (signal: NodeJS.Signals) => void child.kill(signal);
    let wasInterrupted = false;
    const leave = (signal: NodeJS.Signals) => {
      wasInterrupted ||= signal === 'SIGINT';
    };
    for (const signal of forwarded) process.on(signal, forward);
    for (const signal of left) process.on(signal, leave);
    try {
      const status = await ended(program, child);
      await passedOn?.();
      // ssh says of Ctrl-C what it says of every failure.
      return wasInterrupted && status === 255 ? 128 + constants.signals.SIGINT : status;
    } finally {
      for (const signal of forwarded) process.off(signal, forward);
      for (const signal of left) process.off(signal, leave);
      child.stdin?.destroy();
    }
  };
}

/** How long a program's stderr is read after its end: what it leaves in the background may hold it open for hours. */
const restMilliseconds = 200;

/** Writes at once and to the end, so that no line comes later than the next one on stdout must. @returns waits for the rest */
function passOn({ stderr }: ChildProcess, onStderr: (chunk: Buffer) => void): () => Promise<void> {
  if (!stderr) return async () => {};
  const atEnd = new Promise<void>((resolve) => void stderr.once('close', resolve));
  stderr.on('error', () => {});
  stderr.on('data', (chunk: Buffer) => {
    onStderr(chunk);
    process.stderr.write(chunk);
  });
  return async () => {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, restMilliseconds);
    await Promise.race([atEnd, late]);
    clearTimeout(timer);
    stderr.destroy();
  };
}

function ended(program: string, child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? missingProgram(program, process.platform) : error);
    });
    child.once('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
