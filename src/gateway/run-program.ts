/** Runs another program with an argument array and waits for it; what it printed comes back, whatever its status. */
import { spawn } from 'node:child_process';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface ProgramResult {
  /** null if a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @throws program_missing if it can't be started */
export async function runProgram(
  program: string,
  args: readonly string[],
  {
    input = '',
    patienceMilliseconds,
  }: {
    readonly input?: string | Uint8Array;
    /** It is killed after so long; absent: never. */
    readonly patienceMilliseconds?: number;
  } = {},
): Promise<ProgramResult> {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(patienceMilliseconds === undefined
      ? {}
      : { timeout: patienceMilliseconds, killSignal: 'SIGKILL' as const }),
    env: { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program that does not read its input is no error; its status tells what it thought.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new SallyportError('program_missing', `${program} could not be started.`, { cause })),
    );
    child.once('close', resolve);
  });
  return {
    status,
    stdout: Buffer.concat(stdout).toString('utf8'),
    stderr: Buffer.concat(stderr).toString('utf8'),
  };
}
