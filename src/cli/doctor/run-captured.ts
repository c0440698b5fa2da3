/** Runs a program for what it says. */
import { spawn } from 'node:child_process';
import type { SallyContext } from '../context.ts';

export interface Captured {
  /** null: it could not be started, or had to be ended. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly isMissing: boolean;
}

const patienceMilliseconds = 20_000;
const largestOutput = 1024 * 1024;

/** Never throws: what went wrong is in the result. */
export async function runCaptured(
  { environment, debug }: SallyContext,
  program: string,
  args: readonly string[],
): Promise<Captured> {
  return await new Promise((resolve) => {
    let [stdout, stderr, isMissing] = ['', '', false];
    const child = spawn(program, args, {
      env: environment.forPrograms,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: patienceMilliseconds,
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < largestOutput) stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < largestOutput) stderr += text;
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      isMissing = error.code === 'ENOENT';
      debug.say(`${program}: ${error.message}`);
      resolve({ status: null, stdout, stderr: error.message, isMissing });
    });
    child.once('close', (status) => {
      debug.say(`${program} ${args.join(' ')} ended with status ${status}`);
      resolve({ status, stdout, stderr, isMissing });
    });
  });
}
