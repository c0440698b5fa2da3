/** Runs a program of OpenSSH and reads what it says; questions it asks on the terminal by itself. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { SallyContext } from '../context.ts';
import { missingProgram } from '../missing-program.ts';

export interface Captured {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @throws program_missing */
export async function runCaptured(
  { environment, debug }: Pick<SallyContext, 'environment' | 'debug'>,
  program: string,
  args: readonly string[],
): Promise<Captured> {
  const child = spawn(program, [...args], {
    env: environment.forPrograms,
    stdio: ['inherit', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', () => reject(missingProgram(program, environment.platform ?? 'linux')));
    child.once('close', resolve);
  });
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  debug.say(`${program} ended with status ${status}`);
  return { status, stdout, stderr };
}
