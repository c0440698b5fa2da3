/** `sally`, the program of the person: the only place that reads its environment and ends its process. */
import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { runSally } from './cli/run-sally.ts';

const { env, stdin, stdout, stderr } = process;
const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'));

process.exitCode = await runSally({
  argv: process.argv.slice(2),
  environment: {
    home: env['HOME'],
    passwdHome: passwdHome(),
    server: env['SALLY_SERVER'] || undefined,
    debug: ['1', 'true'].includes(env['SALLY_DEBUG'] ?? ''),
    noColor: Boolean(env['NO_COLOR']) || env['TERM'] === 'dumb',
    isTerminal: stdout.isTTY ?? false,
    stdinIsTerminal: stdin.isTTY ?? false,
    columns: stdout.columns ?? 80,
    version: manifest.version,
    deviceName: hostname(),
    program: { node: process.execPath, entry: import.meta.filename },
  },
  stdin,
  stdout,
  stderr,
  now: () => new Date(),
  openBrowser,
  ...(stdin.isTTY && stderr.isTTY && { ask }),
});

function passwdHome(): string | undefined {
  try {
    return userInfo().homedir;
  } catch {
    return undefined; // a user without a line in passwd
  }
}

async function openBrowser(url: string): Promise<void> {
  const { default: open } = await import('open');
  const opener = await open(url);
  opener.on('error', () => {}); // none installed: the address is on the terminal
  opener.unref();
}

async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: stdin, output: stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}
