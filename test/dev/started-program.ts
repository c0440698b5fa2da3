/** Runs a program of the repository as a person would, and waits for what it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');
export const sallyport = join(root, 'src', 'sallyport.ts');

/** For a program with an embedded database that ends soon: making its WASM faster would take longer. */
export const briefly = '--liftoff-only';

export interface Started {
  readonly child: ChildProcess;
  /** Everything it has printed, both streams. */
  output(): string;
  /** Resolves when `pattern` is in what it has printed. */
  says(pattern: RegExp): Promise<void>;
  readonly ended: Promise<number | null>;
}

export function start(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  {
    ownGroup = false,
  }: { /** So that a signal can go to all of it, as Ctrl-C does. */ ownGroup?: boolean } = {},
): Started {
  const child = spawn(program, [...args], {
    cwd: root,
    detached: ownGroup,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const look of waiting) look();
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', (status) => resolve(status)));
  const says = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(output)) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
      void ended.then((status) => reject(new Error(`ended with ${status} without ${pattern}:\n${output}`)));
    });
  return { child, output: () => output, says, ended };
}

/** Processes whose command line holds `mark`, this one excepted. */
export function processesWith(mark: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => commandLine(pid))
    .filter((line) => line.includes(mark));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
