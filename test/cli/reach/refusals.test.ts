/**
 * Who is refused, with everything real: the server, a gateway and a host with their companions, sshd and ssh.
 *
 * [seeds 7]: by the environment's own age of a second factor here; test/gateway/target-names.test.ts has the organization's
 * and what the words say byte by byte. [seeds 8], [seeds 64]: what ssh writes otherwise, and the line for it:
 * test/cli/after-refusal.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startLocalSshd } from '../../../src/dev/local-sshd.ts';
import { canGenerateNames } from '../../../src/dev/local-sshd-namespace.ts';
import { freePort } from '../../gateway/ssh-client.ts';
import type { DemoPerson } from '../demo-person.ts';
import { run } from '../person.ts';
import { ReachWorld } from './reach-world.ts';

const hasNames = canGenerateNames();
const target = 'shop-production--web';
const host = `${target}.sallyport`;

let world: ReachWorld;
beforeAll(async () => {
  if (!hasNames) return;
  world = await ReachWorld.open();
  await wants({ mfa_required: true, mfa_max_age_seconds: 900, access_mode: 'relay' });
  await world.sally(['ssh-config', 'install']);
});
afterAll(() => world?.close());

const wants = (change: object) => world.change('environments', { slug: 'production' }, change);
const lineOf = (stderr: string) => stderr.split('\n').filter((line) => line.startsWith('sally: '));

/** The person's second factor was an hour ago: by what the server, the certificate and this machine know. */
async function ageSecondFactor(person: DemoPerson): Promise<void> {
  const anHourAgo = new Date(Date.now() - 3600_000);
  const change = { mfa_time: anHourAgo, auth_time: anHourAgo };
  const id = await person.sessionId();
  await world.db.updateTable('login_sessions').set(change).where('id', '=', id).execute();
  expect(await person.sally(['cert', 'ensure', '--force'])).toMatchObject({ code: 0 });
  edit(
    person.machine.paths.session,
    /"mfa_time": \d+/,
    `"mfa_time": ${Math.floor(anHourAgo.getTime() / 1000)}`,
  );
}

function edit(path: string, from: RegExp, to: string): () => void {
  const before = readFileSync(path, 'utf8');
  expect(before).toMatch(from);
  writeFileSync(path, before.replace(from, to));
  return () => writeFileSync(path, before);
}

/** The server does not answer, so nobody asks it beforehand: ssh goes where it went last. */
function serverIsAway(): () => void {
  return edit(world.alice.machine.paths.session, /"server": "[^"]+"/, '"server": "http://localhost:1"');
}

const refusal = (account: string) =>
  [
    'Error: Access denied',
    `Service: ${target}`,
    `User: ${account}`,
    'Parameters: {"amr":["mfa"],"max_age":900}',
    'Detail: The environment production wants a second factor of the last 15 minutes; yours is older.',
    'Run: sally login --mfa --max-age 900',
  ]
    .map((line) => `${line}\n`)
    .join('');

describe.skipIf(!hasNames)('a second factor that is too old (needs root, sshd, libnss-extrausers)', () => {
  let restore = () => {};
  beforeAll(async () => {
    await ageSecondFactor(world.alice);
  });
  afterEach(() => restore());

  test('[seeds 7] the gateway says so to plain ssh, in words that a program can read, and one line comes before', async () => {
    const before = await refusals();
    const { code, stderr } = await world.alice.ssh([host, 'true']);
    expect(code).toBe(1);
    // The next test counts from here.
    await expect.poll(refusals, { timeout: 10_000 }).toBe(before + 1);
    const said = 'sally: a fresh second factor is needed, run: sally login --mfa --max-age 900\n';
    expect(stderr).toBe(said + refusal(world.alice.account));
  });

  test('[seeds 8] sally ssh shows what the gateway says, and one line with the command; it connects once', async () => {
    restore = serverIsAway();
    // What is known here is younger, so that the first to say so is the gateway.
    edit(
      world.alice.machine.paths.session,
      /"mfa_time": \d+/,
      `"mfa_time": ${Math.floor(Date.now() / 1000)}`,
    );
    const before = await refusals();
    const { code, stderr } = await world.sally(['ssh', target, '--', 'true']);
    expect(code).toBe(1);
    expect(stderr).toContain(refusal(world.alice.account));
    expect(lineOf(stderr)).toEqual([
      `sally: the server does not answer; ssh goes where ${target} was last.`,
      'sally: a fresh second factor is needed, run: sally login --mfa --max-age 900',
    ]);
    await expect.poll(refusals, { timeout: 10_000 }).toBe(before + 1);
  });
});

/** How many connections the gateway has told of that ended with words. */
async function refusals(): Promise<number> {
  const rows = await world.db.selectFrom('connections').select('id').where('way', '=', 'refusal').execute();
  return rows.length;
}

describe.skipIf(!hasNames)('plain ssh at a terminal (needs root, sshd, libnss-extrausers)', () => {
  test.each(['relay', 'jump'] as const)(
    'has the person log in, and the same ssh goes on: %s',
    async (access) => {
      await wants({ access_mode: access });
      const person = world.demo.nextAdmin();
      await person.login();
      await ageSecondFactor(person);
      const { code, output } = await atTerminal(person, [host, 'echo in; id -un']);
      expect(output).toContain('sally: logging in again; after that it goes on by itself.');
      expect(output).toMatch(/\nin\n\w+\n$/);
      expect(output).not.toContain('Access denied');
      expect(code).toBe(0);
      // From here on nobody is asked.
      expect(await person.ssh([host, 'echo in'])).toEqual({ code: 0, stdout: 'in\n', stderr: '' });
    },
  );
});

/** ssh as a person has it, who opens the address that is shown. */
async function atTerminal(person: DemoPerson, args: readonly string[]) {
  const command = ['ssh', '-F', person.machine.paths.userConfig, ...args]
    .map((word) => `'${word}'`)
    .join(' ');
  const child: ChildProcess = spawn('script', ['-qec', command, '/dev/null'], {
    env: { HOME: person.machine.home, PATH: '/usr/bin:/bin', TERM: 'xterm', NO_COLOR: '1', SHELL: '/bin/sh' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let [output, opened] = ['', ''];
  child.stdout?.on('data', (chunk) => {
    output += String(chunk).replaceAll('\r', '');
    const [address = ''] = /http:\S+\/auth\?\S+(?=\n)/.exec(output) ?? [];
    if (address === '' || opened !== '') return;
    opened = address;
    void person.browse(address);
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, output };
}

describe.skipIf(!hasNames)('a connection that fails (needs root, sshd, libnss-extrausers)', () => {
  let restores: (() => void)[] = [];
  beforeAll(async () => {
    await wants({ mfa_required: false, access_mode: 'relay' });
    await world.sally(['ssh-config', 'install']);
  });
  afterEach(() => {
    for (const restore of restores.reverse()) restore();
    restores = [];
  });
  const paths = () => world.alice.machine.paths;
  /** `sally ssh` while the server is away, so that ssh itself is what fails. */
  const failing = async (...edits: [path: string, from: RegExp, to: string][]) => {
    restores.push(serverIsAway(), ...edits.map((about) => edit(...about)));
    const { code, stderr } = await world.sally(['ssh', target, '--', 'true']);
    const [, ...lines] = lineOf(stderr);
    return { code, stderr, lines };
  };

  test('[seeds 64] where nothing listens: what ssh says is shown, then one line with the next command', async () => {
    const port = await freePort();
    const { code, stderr, lines } = await failing([
      paths().hosts,
      /(Host shop-production--web\.[\s\S]*?Port )\d+/,
      `$1${port}`,
    ]);
    expect(code).toBe(255);
    expect(stderr).toContain(`ssh: connect to host 127.0.0.1 port ${port}: Connection refused`);
    expect(lines).toEqual([`sally: 127.0.0.1 port ${port} refuses connections, run: sally doctor`]);
  });

  test('[seeds 64] where something else than sshd listens', async () => {
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const { code, stderr, lines } = await failing([
      paths().hosts,
      /(Host shop-production--web\.[\s\S]*?Port )\d+/,
      `$1${port}`,
    ]);
    server.close();
    expect(code).toBe(255);
    expect(stderr).toContain('kex_exchange_identification: ');
    expect(lines).toEqual([
      'sally: the machine ended the connection before the login; try again in a minute, or run: sally doctor',
    ]);
  });

  test('[seeds 64] where the machine is another one than we trust', async () => {
    const { code, stderr, lines } = await failing([paths().knownHosts, /ssh-ed25519 \S+/, strangersKey()]);
    expect(code).toBe(255);
    expect(stderr).toContain('Host key verification failed.');
    expect(lines).toEqual([
      'sally: nobody that you trust vouches for the machine, nothing was sent to it; run: sally ssh-config install',
    ]);
  });

  test('[seeds 64] where the machine’s certificate is for another name', async () => {
    const { lines } = await failing([
      paths().hosts,
      /(Host shop-production--web\.[\s\S]*?HostKeyAlias )\S+/,
      '$1other.sallyport',
    ]);
    expect(lines).toEqual([
      'sally: the machine is another one than you asked for, nothing was sent to it; run: sally ssh-config install',
    ]);
  });

  test('[seeds 64] where the gateway opens no way on', async () => {
    await wants({ access_mode: 'jump' });
    await world.sally(['ssh-config', 'install']);
    await world.change('apps', { slug: 'web' }, { ssh_enabled: false });
    const { stderr } = await world.sally(['ssh', target, '--', 'true']);
    // The server says so beforehand: no connection is made.
    expect(stderr).toBe(
      `sally: ${target}: SSH is switched off for the app web. An admin can switch it on.\n`,
    );
    const plain = await world.alice.ssh([host, 'true']);
    expect(plain.stderr).toContain('stdio forwarding failed');
    await world.change('apps', { slug: 'web' }, { ssh_enabled: true });
    await wants({ access_mode: 'relay' });
    await world.sally(['ssh-config', 'install']);
  });

  test('[seeds 64] a copy that fails says it too, and a file of the person that ssh does not take', async () => {
    restores.push(edit(paths().userConfig, /^/, 'Nonsense yes\n'));
    const { code, stderr } = await world.sally(['scp', 'x', `${target}:`]);
    expect(code).not.toBe(0);
    expect(stderr).toContain('Bad configuration option: nonsense');
    expect(lineOf(stderr)).toEqual([
      'sally: your ssh config is not as ssh wants it, run: sally doctor --fix',
    ]);
  });

  test('[seeds 64] nothing of ours makes ssh quiet', () => {
    const options = world.alice.machine.sshOptions(host);
    expect(options.get('loglevel')).toEqual(['INFO']);
    const files = [paths().config, paths().hosts, paths().stepUpConfig].map((path) =>
      readFileSync(path, 'utf8'),
    );
    expect(files.join('')).not.toMatch(/LogLevel|QUIET/i);
  });

  test('[seeds 64] a command that ends with what ssh ends with is not taken for a failure of ours', async () => {
    const said = await world.sally(['ssh', target, '--', 'echo web: Permission denied >&2; exit 255']);
    expect(said).toMatchObject({ code: 255, stderr: 'web: Permission denied\n' });
    const ended = await world.sally([
      'ssh',
      target,
      '--',
      'echo "x: Permission denied (publickey)." >&2; exit 1',
    ]);
    expect(ended).toMatchObject({ code: 1, stderr: 'x: Permission denied (publickey).\n' });
  });

  test('[seeds 63] nobody is asked for a password, by a machine that would take one', async () => {
    const sshd = await sshdWithPasswords(join(world.alice.machine.home, 'passwords'));
    try {
      const { output } = await atTerminal(world.alice, [
        ...['-o', 'HostName=127.0.0.1', '-o', `Port=${sshd.port}`, '-o', `User=${userInfo().username}`],
        ...['-o', 'ProxyJump=none', '-o', 'HostKeyAlgorithms=ssh-ed25519', '-o', 'StrictHostKeyChecking=no'],
        ...['-o', 'UserKnownHostsFile=/dev/null', host, 'true'],
      ]);
      expect(output).toMatch(/: Permission denied \(publickey,password,keyboard-interactive\)\.\n$/);
      expect(output).not.toMatch(/assword:/);
    } finally {
      await sshd.stop();
    }
  });
});

function strangersKey(): string {
  const folder = join(world.alice.machine.home, 'stranger');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `key-${Date.now()}`);
  run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  return readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
}

async function sshdWithPasswords(folder: string) {
  mkdirSync(folder, { mode: 0o700 });
  chmodSync(folder, 0o700);
  const port = await freePort();
  const hostKey = join(folder, 'host-key');
  run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKey}`,
    `PidFile ${join(folder, 'sshd.pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    'PasswordAuthentication yes',
    'KbdInteractiveAuthentication yes',
  ];
  const configuration = `${lines.join('\n')}\n`;
  const sshd = await startLocalSshd({
    folder,
    sshd: '/usr/sbin/sshd',
    address: '127.0.0.1',
    port,
    configuration,
  });
  return { port, stop: () => sshd.stop() };
}
