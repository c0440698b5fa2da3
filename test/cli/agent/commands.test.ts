import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { askStatus } from '../../../src/cli/agent/status.ts';
import { serviceUnitText } from '../../../src/cli/agent/units.ts';
import { Person, runAsync, sallyEntry } from '../person.ts';
import { AgentWorld } from './agent-world.ts';

describe('with an agent', () => {
  let world: AgentWorld;
  beforeEach(async () => {
    world = new AgentWorld();
    await world.open();
  });
  afterEach(() => world.close());

  test('status says what it holds, to people and programs, and stop ends it', async () => {
    await world.startAgent();
    const bare = await world.person.sally(['agent', 'status']);
    expect(bare.stdout).toContain('Certificates          none yet: they come when ssh asks');
    const client = await world.client();
    await client.bind(world.host('web'));
    await client.list();
    const { stdout } = await world.person.sally(['agent', 'status', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      pid: process.pid,
      profile: 'default',
      locked: false,
      confirms: false,
      with_agent: null,
      certificates: [{ account: 'alice@demo.example', machine: 'web' }],
    });
    expect((await world.person.sally(['agent', 'status'])).stdout).toMatch(/^ {2}web, until .* \(1002\)$/m);
    await world.stopAgent();
    expect(existsSync(world.socket)).toBe(false);
    for (const argv of [
      ['agent', 'status'],
      ['agent', 'stop'],
    ]) {
      expect(await world.person.sally(argv)).toMatchObject({
        code: 1,
        stderr: 'sally: No agent runs here. Start one: sally agent start --background\n',
      });
    }
  });

  test('ssh to our hosts asks it once it is installed, offers nothing else, and no more when that is undone', async () => {
    const ran: string[][] = [];
    const runProgram = async ({ program, args }: { program: string; args: readonly string[] }) => {
      ran.push([program, ...args]);
      return 0;
    };
    const { person } = world;
    const before = person.sshOptions('gw.sallyport');
    expect(before.get('identityagent')).toBeUndefined();
    const installed = await person.sally(['agent', 'install', '--confirm'], { runProgram });
    expect(installed.code, installed.stderr).toBe(0);
    const units = join(person.home, '.config', 'systemd', 'user');
    const socketUnit = readFileSync(join(units, 'sally-agent.socket'), 'utf8');
    expect(socketUnit).toContain(`ListenStream=${world.socket}\nSocketMode=0600\nDirectoryMode=0700\n`);
    expect(readFileSync(join(units, 'sally-agent.service'), 'utf8')).toContain(
      `ExecStart=${process.execPath} ${sallyEntry} agent start --systemd --confirm\n`,
    );
    expect(ran).toEqual([
      ['systemctl', '--user', 'daemon-reload'],
      ['systemctl', '--user', 'enable', '--now', 'sally-agent.socket'],
    ]);
    const options = person.sshOptions('gw.sallyport');
    expect(options.get('identityagent')).toEqual([world.socket]);
    expect(options.get('identitiesonly')).toEqual(['no']);
    expect(person.sshOptions('example.com').get('identityagent')).toBeUndefined();

    expect((await person.sally(['agent', 'install', '--remove'], { runProgram })).code).toBe(0);
    expect(existsSync(join(units, 'sally-agent.socket'))).toBe(false);
    expect(person.sshOptions('gw.sallyport')).toEqual(before);
  });

  test('a socket that somebody else listens at, such as systemd, is served', async () => {
    const socket = join(world.person.paths.folder, 'agent.sock');
    const script = `
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.execv(sys.argv[2], sys.argv[2:])
`;
    const program = [process.execPath, sallyEntry, 'agent', 'start', '--systemd'];
    const child = spawn('/usr/bin/python3', ['-c', script, socket, ...program], {
      env: { ...process.env, HOME: world.person.home },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    try {
      await vi.waitFor(() => expect(existsSync(socket)).toBe(true), 8000);
      // Who connects before it serves waits for it.
      expect(await askStatus(socket)).toMatchObject({ pid: child.pid });
      expect((await world.sshAdd(['-l'])).stdout).toContain('ED25519-CERT');
    } finally {
      child.kill();
      await once(child, 'exit');
    }
  });
});

test('on its own it outlives the command that has started it, and prints what the shell needs', async () => {
  const person = new Person();
  mkdirSync(person.paths.sshFolder, { mode: 0o700 });
  const environment = { HOME: person.home, PATH: '/usr/bin:/bin', SHELL: '/bin/sh' };
  const sally = (...args: string[]) => runAsync(process.execPath, [sallyEntry, ...args], environment);
  try {
    const started = await sally('agent', 'start', '--background');
    const socket = join(person.paths.folder, 'agent.sock');
    expect(started).toEqual({
      code: 0,
      stdout: `SSH_AUTH_SOCK='${socket}'; export SSH_AUTH_SOCK;\n`,
      stderr: '',
    });
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    const { code, stdout } = await runAsync(
      '/bin/sh',
      ['-c', `${started.stdout} exec ssh-add -l`],
      environment,
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'The agent has no identities.\n' });
    expect((await sally('agent', 'start', '--background')).code).toBe(6);
    expect((await sally('agent', 'stop')).code).toBe(0);
  } finally {
    person.remove();
  }
});

test.each([
  ['/bin/bash', undefined, (path: string) => `SSH_AUTH_SOCK='${path}'; export SSH_AUTH_SOCK;\n`],
  ['/usr/bin/fish', undefined, (path: string) => `set -gx SSH_AUTH_SOCK '${path}';\n`],
  ['/bin/tcsh', undefined, (path: string) => `setenv SSH_AUTH_SOCK '${path}';\n`],
  ['/bin/bash', 'powershell', (path: string) => `$env:SSH_AUTH_SOCK = '${path}'\n`],
])('a shell %s with --shell %s is told in its own words', async (SHELL, shell, line) => {
  const person = new Person('with space');
  const flags = shell ? ['--shell', shell] : [];
  const { stdout } = await person.sally(['agent', 'env', ...flags], {
    environment: { forPrograms: { SHELL } },
  });
  const path = join(person.paths.folder, 'agent.sock');
  expect(stdout).toBe(line(path));
  const program =
    { '/bin/bash': '/bin/bash', '/usr/bin/fish': '/usr/bin/fish', '/bin/tcsh': '/bin/tcsh' }[SHELL] ?? '';
  if (shell === undefined && existsSync(program)) {
    const environment = { HOME: person.home, PATH: '/usr/bin:/bin' };
    const ran = await runAsync(program, ['-c', `${stdout.trim()} printenv SSH_AUTH_SOCK`], environment);
    expect(ran.stdout).toBe(`${path}\n`);
  }
  person.remove();
});

test('a home whose path is too long for a socket gives it to XDG_RUNTIME_DIR', async () => {
  const person = new Person(`long-${'x'.repeat(80)}`);
  const env = (forPrograms: Record<string, string>) =>
    person.sally(['agent', 'env'], { environment: { forPrograms } });
  expect((await env({ XDG_RUNTIME_DIR: '/run/user/1000' })).stdout).toContain(
    "'/run/user/1000/sallyport/agent.sock'",
  );
  expect(await env({})).toMatchObject({ code: 2, stderr: expect.stringContaining('Set XDG_RUNTIME_DIR') });
  person.remove();
});

test('a unit quotes what systemd would read otherwise', () => {
  const flags = ['--forward=gw>db', '--with-agent=/run/$USER/100% "mine"'];
  const text = serviceUnitText({ socket: '/s', node: '/opt/my node/node', entry: '/opt/sally.js', flags });
  expect(text).toContain(
    'ExecStart="/opt/my node/node" /opt/sally.js agent start --systemd "--forward=gw>db" "--with-agent=/run/$$USER/100%% \\"mine\\""\n',
  );
});

test.each([['gw'], ['gw>'], ['a.b>c'], ['gw>db>x'], ['*>db']])(
  '%s is no way for a forwarded agent',
  async (rule) => {
    const person = new Person();
    const refused = await person.sally(['agent', 'start', '--forward', rule]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--forward wants FROM>TO') });
    person.remove();
  },
);
