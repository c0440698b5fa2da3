/**
 * [abuse 132] in parts: what arguments, environments, logs and files show of a login, with its secrets in a file and in a
 * keychain; and what a program that crashes leaves behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createDebugLog } from '../../../src/cli/debug-log.ts';
import { readSession } from '../../../src/cli/session-file.ts';
import { Person, sallyEntry, visit } from '../person.ts';
import { ServerDouble } from '../server-double.ts';
import { type StandIns, standIns } from './stand-ins.ts';

let server: ServerDouble;
let alice: Person;
let programs: StandIns;
let said: string;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  programs = standIns(alice.home);
  said = '';
});
afterEach(async () => {
  await server.stop();
  alice.remove();
});

/** The program itself, in a process of its own, with everything that it says kept. */
function start(argv: readonly string[], environment: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, [sallyEntry, ...argv], {
    env: {
      ...programs.environment,
      ...{ HOME: alice.home, SALLY_DEBUG: '1', SSH_AUTH_SOCK: join(alice.home, 'agent') },
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      said += chunk;
    });
  }
  return child;
}

async function done(child: ChildProcess): Promise<void> {
  const [code] = await once(child, 'close');
  expect([code, said]).toEqual([0, said]);
}

async function hears({ stderr }: ChildProcess, pattern: RegExp): Promise<void> {
  while (stderr && !pattern.test(said)) await once(stderr, 'data');
}

/** A login that waits for the person. */
async function waiting(argv: readonly string[], environment: Record<string, string> = {}) {
  const child = start(['login', '--no-browser', '--server', server.url, ...argv], environment);
  await hears(child, /http\S+request_uri=\S+\n/);
  const [address = ''] = /http\S+request_uri=\S+/.exec(said) ?? [];
  return { child, address };
}

/** Everything that opens something, of the login as it is now. */
async function secretsNow(): Promise<string[]> {
  const key = programs.secret();
  const keychain = { name: 'it', read: async () => key, write: async () => {}, remove: async () => {} };
  const session = await readSession({
    paths: alice.paths,
    debug: createDebugLog(false, process.stderr),
    keychain,
  });
  const pairs = readdirSync(alice.paths.pairs).map((id) =>
    readFileSync(join(alice.paths.pairs, id, 'id_ed25519'), 'utf8')
      .split('\n')
      .slice(2, 5),
  );
  const { access_token = '', refresh_token } = session?.tokens ?? {};
  const found = [
    access_token,
    refresh_token ?? '',
    session?.dpop_key.d ?? '',
    ...pairs.flat(),
    ...(key ? [key] : []),
  ];
  if (found.some((secret) => secret.length < 20)) throw new Error('not a secret');
  return found;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );
}

describe.each([
  ['a file', [], ['session.json']],
  ['a keychain', ['--keychain'], []],
] as const)('with its secrets in %s', (_where, option, holders) => {
  test('[abuse 132] a login, its renewals and its end show none of its secrets in arguments, environments, logs or other files', async () => {
    const { child, address } = await waiting(option);
    await visit(address);
    await done(child);
    const secrets = await secretsNow();
    await done(start(['cert', 'ensure', '--force']));
    secrets.push(...(await secretsNow()));
    const holding = filesBelow(alice.paths.folder).filter((name) => {
      const text = readFileSync(join(alice.paths.folder, name), 'latin1');
      return secrets.some((secret) => text.includes(secret)) && !name.startsWith('pairs/');
    });
    expect(holding).toEqual(holders);
    await done(start(['logout']));

    // Keys go out of the agent, and masters end, by programs that showed themselves too.
    expect(programs.runs().join('\n')).toContain('ssh-add -q -d');
    expect(programs.shown()).toContain(sallyEntry);
    for (const secret of secrets) {
      expect(programs.shown()).not.toContain(secret);
      expect(said).not.toContain(secret);
    }
    expect(`${said}${programs.shown()}`).not.toMatch(/(access|refresh)-[0-9a-f]{32}/);
    for (const name of filesBelow(alice.paths.folder)) {
      expect(readFileSync(join(alice.paths.folder, name), 'latin1')).not.toContain(secrets[0]);
    }
  });
});

test('[abuse 132] the credential of a machine is in no environment but that of ssh', async () => {
  const SALLY_TOKEN = 'the-token-of-a-machine-000000000';
  const environment = { SALLY_TOKEN, SALLY_SERVER: server.url };
  await done(start(['ssh-config', 'install'], environment));
  await done(start(['agent', 'install'], { ...environment, XDG_CONFIG_HOME: join(alice.home, '.config') }));
  expect(programs.runs().join('\n')).toContain('systemctl --user enable');
  const desktop = {
    ...{
      DISPLAY: ':0',
      SSH_CONNECTION: '',
      SSH_TTY: '',
      XDG_DATA_DIRS: alice.home,
      XDG_DATA_HOME: alice.home,
    },
    BROWSER: join(alice.home, 'bin', 'browser'),
  };
  await done(start(['open', 'console'], { ...environment, ...desktop }));
  await vi.waitFor(() => expect(programs.runs().join('\n')).toContain('browser http'), 5000);
  await done(start(['logout'], environment));
  const own = programs
    .shown()
    .split('\n')
    .filter((line) => line.includes(SALLY_TOKEN));
  // That of sally itself, which the person has given it: once for each program that looked at its parent, which of the browser is
  // another one.
  expect(own.length).toBe(programs.runs().filter((line) => !line.startsWith('browser ')).length);
  expect(said).not.toContain(SALLY_TOKEN);
});

test.skipIf(process.platform !== 'linux')(
  '[abuse 132] a crash leaves no memory in a core file and no environment in a report; a message quotes no secret',
  async () => {
    const reports = join(alice.home, 'reports');
    mkdirSync(reports);
    const { child } = await waiting([], {
      OTHER_SECRET: 'only-in-the-environment',
      NODE_OPTIONS: `--report-on-signal --report-signal=SIGUSR2 --report-directory=${reports}`,
    });
    expect(readFileSync(`/proc/${child.pid}/coredump_filter`, 'utf8').trim()).toBe('00000000');
    child.kill('SIGUSR2');
    await hears(child, /Node.js report completed/);
    const closed = once(child, 'close');
    child.kill();
    await closed;
    const [report = ''] = readdirSync(reports).map((name) => readFileSync(join(reports, name), 'utf8'));
    expect(report).toContain('"javascriptStack"');
    expect(report).not.toContain('only-in-the-environment');

    const debug = createDebugLog(false, process.stderr);
    debug.redact('access-123');
    expect(debug.cleaned('Unexpected token in {"t":"access-123"}')).toBe(
      'Unexpected token in {"t":"<redacted>"}',
    );
  },
);
