/** `sally`, the program of the person: the only place that reads its environment and ends its process. */
import { fstatSync, statSync, writeFileSync } from 'node:fs';
import { hostname, networkInterfaces, userInfo } from 'node:os';
import process from 'node:process';
import { built } from './cli/built.ts';
import { networkKey } from './cli/network/network-key.ts';
import { programRunner } from './cli/run-program.ts';
import { runSally } from './cli/run-sally.ts';

const { stdout } = process;
const env = { ...process.env };
// What ssh and the like are to be started with: a program that is one file names itself.
const entry = import.meta.filename;
const { version, ...build } = built;
// Not process.stdin, which takes milliseconds: most commands never look at it.
const stdinIsTerminal = isTerminal(0);
const stderrIsTerminal = isTerminal(2);
const {
  SALLY_TOKEN,
  SALLY_ID_TOKEN,
  SALLY_ID_TOKEN_FILE,
  SALLY_CI_RULE,
  ACTIONS_ID_TOKEN_REQUEST_URL,
  ACTIONS_ID_TOKEN_REQUEST_TOKEN,
  ...forPrograms
} = env;
// So that no program gets a credential that nobody meant to give it, such as a browser.
for (const name of Object.keys(env)) if (!Object.hasOwn(forPrograms, name)) delete process.env[name];

leaveNoDump();

// Whoever reads has read enough, as of `sally ls | head`.
stdout.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? 141 : 1));

void runSally({
  argv: process.argv.slice(process.argv[2] === process.execPath ? 3 : 2),
  environment: {
    home: env['HOME'],
    get passwdHome() {
      return passwdHome();
    },
    server: env['SALLY_SERVER'] || undefined,
    profile: env['SALLY_PROFILE'] || undefined,
    debug: ['1', 'true'].includes(env['SALLY_DEBUG'] ?? ''),
    noColor: Boolean(env['NO_COLOR']) || env['TERM'] === 'dumb',
    isTerminal: stdout.isTTY ?? false,
    stdinIsTerminal,
    headless: isHeadless(),
    personIsThere: stdinIsTerminal || stderrIsTerminal,
    folder: currentFolder(),
    proxies: {
      all: env['all_proxy'] || env['ALL_PROXY'],
      https: env['https_proxy'] || env['HTTPS_PROXY'],
      http: env['http_proxy'],
      none: env['no_proxy'] || env['NO_PROXY'],
    },
    get network() {
      return networkKey(networkInterfaces());
    },
    columns: stdout.columns ?? 80,
    get messageColumns() {
      return stderrIsTerminal ? (process.stderr.columns ?? 80) : 0;
    },
    version,
    build: { ...build, architecture: process.arch },
    platform: process.platform,
    fipsFile: '/proc/sys/crypto/fips_enabled',
    deviceName: hostname(),
    program: { node: process.execPath, entry },
    machine: {
      apiToken: SALLY_TOKEN || undefined,
      idToken: SALLY_ID_TOKEN || undefined,
      idTokenFile: SALLY_ID_TOKEN_FILE || undefined,
      request: ACTIONS_ID_TOKEN_REQUEST_URL
        ? { url: ACTIONS_ID_TOKEN_REQUEST_URL, token: ACTIONS_ID_TOKEN_REQUEST_TOKEN ?? '' }
        : undefined,
      rule: SALLY_CI_RULE || undefined,
    },
    forPrograms,
  },
  stdin: standardInput(),
  stdout,
  // Most commands write nothing there, and a stream takes milliseconds to make.
  stderr: { write: (text) => process.stderr.write(text) },
  pipes: {
    get input() {
      return process.stdin;
    },
    output: stdout,
  },
  // A machine's ssh finds its credential in the environment.
  runProgram: programRunner(env, forPrograms),
  now: () => new Date(),
  wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  openBrowser,
  ...(stdinIsTerminal && stderrIsTerminal && { ask }),
}).then((code) => {
  process.exitCode = code;
});

async function* standardInput(): AsyncGenerator<Uint8Array> {
  yield* process.stdin;
}

/**
 * What this process leaves behind if it crashes: on Linux a core file without its memory (core(5)), and, where somebody
 * has switched Node's reports on, one without its environment.
 */
function leaveNoDump(): void {
  process.report.excludeEnv = true;
  if (process.platform !== 'linux') return;
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
  } catch {
    // No /proc here: core files are as the system makes them.
  }
}

/** node:tty brings the network along, so it is asked only about what may be one. */
function isTerminal(descriptor: number): boolean {
  try {
    const found = fstatSync(descriptor);
    if (!found.isCharacterDevice()) return false;
    if (process.platform !== 'win32' && found.rdev === statSync('/dev/null').rdev) return false;
  } catch {
    return false; // closed
  }
  return process.getBuiltinModule('node:tty').isatty(descriptor);
}

/** Empty where the folder is gone. */
function currentFolder(): string {
  try {
    return process.cwd();
  } catch {
    return '';
  }
}

function passwdHome(): string | undefined {
  try {
    return userInfo().homedir;
  } catch {
    return undefined; // a user without a line in passwd
  }
}

/** A shell that came over SSH shows its windows elsewhere, if at all. */
function isHeadless(): boolean {
  if (env['SSH_CONNECTION'] || env['SSH_TTY']) return true;
  if (process.platform === 'darwin' || process.platform === 'win32') return false;
  return !(env['DISPLAY'] || env['WAYLAND_DISPLAY'] || env['WSL_DISTRO_NAME']);
}

async function openBrowser(url: string): Promise<void> {
  const { default: open } = await import('open');
  const opener = await open(url);
  opener.on('error', () => {}); // none installed: the address is on the terminal
  opener.unref();
}

async function ask(question: string, signal?: AbortSignal): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.once('SIGINT', () => {
    terminal.close();
    process.kill(process.pid, 'SIGINT');
  });
  try {
    return signal ? await terminal.question(question, { signal }) : await terminal.question(question);
  } finally {
    terminal.close();
  }
}
