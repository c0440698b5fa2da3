/** A person at a machine of their own: a home folder, `sally` in this process or in its own, and the real `ssh`. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ask } from '../../src/cli/context.ts';
import type { RunProgram } from '../../src/cli/run-program.ts';
import { runSally } from '../../src/cli/run-sally.ts';
import { type StatePaths, statePaths } from '../../src/cli/state-paths.ts';

const root = join(import.meta.dirname, '..', '..');
export const sallyEntry = join(root, 'src', 'sally.ts');

export interface SallyResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly openBrowser?: (url: string) => Promise<void>;
  readonly ask?: Ask;
  /** Absent: no time passes. */
  readonly wait?: (milliseconds: number) => Promise<void>;
  readonly environment?: Record<string, unknown>;
  readonly now?: () => Date;
  readonly onStderr?: (text: string) => void;
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly runProgram?: RunProgram;
}

export class Person {
  readonly #base: string;
  readonly home: string;
  readonly paths: StatePaths;

  /** @param name of the home folder */
  constructor(name = 'home') {
    this.#base = mkdtempSync(join(tmpdir(), 'sally-'));
    this.home = join(this.#base, name);
    mkdirSync(this.home);
    this.paths = statePaths(this.home);
  }

  remove(): void {
    rmSync(this.#base, { recursive: true, force: true });
  }

  /** Runs `sally` in this process. */
  async sally(argv: readonly string[], options: RunOptions = {}): Promise<SallyResult> {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runSally({
      argv,
      environment: {
        home: this.home,
        passwdHome: this.home,
        program: { node: process.execPath, entry: sallyEntry },
        ...options.environment,
      },
      stdout: { write: (text) => out.push(text) },
      stderr: {
        write: (text) => {
          err.push(text);
          options.onStderr?.(text);
        },
      },
      now: options.now ?? (() => new Date()),
      wait: options.wait ?? (async () => {}),
      openBrowser: options.openBrowser ?? visit,
      ...(options.ask && { ask: options.ask }),
      ...(options.stdin && { stdin: options.stdin }),
      ...(options.runProgram && { runProgram: options.runProgram }),
    });
    return { code, stdout: out.join(''), stderr: err.join('') };
  }

  async login(server: string): Promise<SallyResult> {
    const result = await this.sally(['login', '--server', server]);
    if (result.code !== 0) throw new Error(`login: ${result.code} ${result.stderr}`);
    return result;
  }

  /** The real ssh with this person's config. */
  ssh(args: readonly string[], environment: Record<string, string> = {}): SallyResult {
    return run('ssh', ['-T', '-F', this.paths.userConfig, ...args], environment);
  }

  /** The same while the server double answers, which lives in this process. */
  sshAsync(args: readonly string[], environment: Record<string, string> = {}): Promise<SallyResult> {
    return runAsync('ssh', ['-T', '-F', this.paths.userConfig, ...args], environment);
  }

  /** What `ssh -G` says of a host, as option -> values. */
  sshOptions(host: string): Map<string, string[]> {
    const { code, stdout, stderr } = this.ssh(['-G', host]);
    if (code !== 0) throw new Error(`ssh -G: ${stderr}`);
    return optionsOf(stdout);
  }

  /** Runs the fast path, as ssh does. */
  fresh(environment: Record<string, string> = {}): Promise<SallyResult> {
    return runAsync(this.paths.fresh, [], environment);
  }

  writeConfig(text: string | Buffer, mode = 0o600): void {
    mkdirSync(this.paths.sshFolder, { recursive: true, mode: 0o700 });
    writeFileSync(this.paths.userConfig, text);
    chmodSync(this.paths.userConfig, mode);
  }

  config(): Buffer {
    return readFileSync(this.paths.userConfig);
  }

  has(path: string): boolean {
    return existsSync(path);
  }

  identity(): string {
    return readFileSync(this.paths.identity, 'utf8');
  }

  /** The next renewal is due now. */
  forceRenewal(): void {
    rmSync(this.paths.renewAfter, { force: true });
  }
}

/** A browser without a person: follows the redirects to the end. */
export async function visit(url: string): Promise<void> {
  void fetch(url).catch(() => {});
}

export function optionsOf(text: string): Map<string, string[]> {
  const options = new Map<string, string[]>();
  for (const line of text.trim().split('\n')) {
    const at = line.indexOf(' ');
    const name = line.slice(0, at);
    options.set(name, [...(options.get(name) ?? []), line.slice(at + 1)]);
  }
  return options;
}

export function run(
  program: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): SallyResult {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  if (error) throw error;
  return { code: status ?? -1, stdout, stderr };
}

export function runAsync(
  program: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<SallyResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}
