import { spawn } from 'node:child_process';
import type { SallyContext } from './context.ts';

const patienceMilliseconds = 5000;

/** Runs a program that says nothing and asks nothing. @returns its status; undefined: it did not run, or not to its end */
export async function runQuietly(
  { debug, environment }: Pick<SallyContext, 'debug' | 'environment'>,
  program: string,
  args: readonly string[],
  agent?: string,
): Promise<number | undefined> {
  const env = { ...environment.forPrograms, ...(agent !== undefined && { SSH_AUTH_SOCK: agent }) };
  return await new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: 'ignore', timeout: patienceMilliseconds });
    child.once('error', (error) => {
      debug.say(`${program}: ${error.message}`);
      resolve(undefined);
    });
    child.once('close', (status) => {
      debug.say(`${program} ended with status ${status}`);
      resolve(status ?? undefined);
    });
  });
}
