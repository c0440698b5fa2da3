/** The tour's child processes: argument arrays, output kept, no shell. */
import { spawn } from 'node:child_process';

export interface ProgramResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningProgram {
  readonly firstOutput: Promise<void>;
  /** Resolves with the first match in what it has printed. */
  printed(pattern: RegExp): Promise<string>;
  readonly ended: Promise<ProgramResult>;
  kill(): void;
}

export async function runProgram(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<ProgramResult> {
  return await startProgram(program, args, environment).ended;
}

export function startProgram(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): RunningProgram {
  const child = spawn(program, [...args], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  const first = Promise.withResolvers<void>();
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    first.resolve();
    for (const look of waiting) look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const look of waiting) look();
  });
  const ended = new Promise<ProgramResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      first.reject(new Error(`${program} ended with status ${status} before it said anything: ${stderr}`));
      resolve({ status, stdout, stderr });
    });
  });
  first.promise.catch(() => {});
  const printed = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(stdout + stderr)?.[0];
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      void ended.then(
        ({ status }) => reject(new Error(`${program} ended with status ${status}:\n${stderr}`)),
        reject,
      );
    });
  return { firstOutput: first.promise, printed, ended, kill: () => void child.kill('SIGTERM') };
}
