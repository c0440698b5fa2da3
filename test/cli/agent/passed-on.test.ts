/**
 * Real ssh and sshd, and an agent that is passed on (ssh -A). Of [abuse 129] here: what the far machine can do with it, with
 * our agent and with the person's own, and that neither holds anything once the certificate, the login or the session ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type LocalSshd, startLocalSshd } from '../../../src/dev/local-sshd.ts';
import { certificateLine } from '../../../src/ssh/encode-certificate.ts';
import { publicKeyLine } from '../../../src/ssh/public-key.ts';
import { freePort } from '../../gateway/ssh-client.ts';
import { runAsync, type SallyResult } from '../person.ts';
import { account } from '../server-double.ts';
import { AgentWorld } from './agent-world.ts';

const login = userInfo().username;
const world = new AgentWorld();
const machines: { readonly sshd: LocalSshd; readonly name: string; readonly port: number }[] = [];

beforeAll(async () => {
  await world.open();
  for (const name of ['near', 'far']) machines.push(await startMachine(name));
  world.server.configuration = {
    ...world.server.configuration,
    gateways: machines.map(({ name, port }) => ({ name, address: '127.0.0.1', port, login })),
    targets: [],
  };
  await world.person.sally(['cert', 'ensure', '--force']);
});
afterEach(() => world.stopAgent());
afterAll(async () => {
  for (const { sshd } of machines) await sshd.stop();
  await world.close();
});

/** A stock sshd that lets the account in, and whoever has a certificate for this machine. */
async function startMachine(name: string) {
  const folder = join(world.person.home, name);
  mkdirSync(folder, { mode: 0o700 });
  const host = world.host(name);
  const port = await freePort();
  const files = {
    key: host.key.openssh(name),
    'key-cert.pub': `${certificateLine(host.shown)}\n`,
    ca: `${publicKeyLine({ type: 'ssh-ed25519', blob: world.server.userCa.publicKeyBlob })}\n`,
    principals: name === 'near' ? `${account}\nat:near\n` : `${account}\nat:far\n`,
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text, { mode: 0o600 });
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${folder}/key`,
    `HostCertificate ${folder}/key-cert.pub`,
    `TrustedUserCAKeys ${folder}/ca`,
    `AuthorizedPrincipalsFile ${folder}/principals`,
    `PidFile ${folder}/sshd.pid`,
    'AuthorizedKeysFile none',
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'AllowAgentForwarding yes',
  ];
  const configuration = `${lines.join('\n')}\n`;
  const sshd = await startLocalSshd({
    folder,
    sshd: '/usr/sbin/sshd',
    address: '127.0.0.1',
    port,
    configuration,
  });
  return { sshd, name, port };
}

const portOf = (name: string) => machines.find((machine) => machine.name === name)?.port ?? 0;

/** The real ssh with no other key than an agent's. */
function ssh(socket: string, name: string, ...command: string[]): Promise<SallyResult> {
  const options = [
    'BatchMode=yes',
    `UserKnownHostsFile=${world.person.paths.knownHosts}`,
    'StrictHostKeyChecking=yes',
  ];
  const given = [...options, `HostKeyAlias=${name}.sallyport`, 'IdentityFile=none'].flatMap((one) => [
    '-o',
    one,
  ]);
  const where = ['-p', String(portOf(name)), '-l', login, '127.0.0.1'];
  return runAsync('ssh', ['-F', 'none', '-A', ...given, ...where, ...command], { SSH_AUTH_SOCK: socket });
}

/** What somebody at the near machine types, who has nothing but the agent. */
const onward = () =>
  `ssh -F none -o BatchMode=yes -o IdentityFile=none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p ${portOf('far')} ${login}@127.0.0.1 echo far`;

describe('our agent', () => {
  test('[abuse 129] opens the machine that ssh talks to, and from there nothing but what was named', async () => {
    await world.startAgent();
    expect(await ssh(world.socket, 'near', 'echo near')).toMatchObject({ code: 0, stdout: 'near\n' });
    expect((await ssh(world.socket, 'near', 'ssh-add -l')).stdout).toBe('The agent has no identities.\n');
    expect(await ssh(world.socket, 'near', onward())).toMatchObject({ code: 255, stdout: '' });

    await world.stopAgent();
    await world.startAgent(['--forward', 'near>far']);
    expect(await ssh(world.socket, 'near', onward())).toMatchObject({ code: 0, stdout: 'far\n' });
    expect((await ssh(world.socket, 'near', 'ssh-add -l')).stdout).toBe('The agent has no identities.\n');
  });
});

describe("the person's own agent", () => {
  let agent: ChildProcess;
  let socket: string;
  const alice = () => ({ environment: { forPrograms: { ...process.env, SSH_AUTH_SOCK: socket } } });
  const sally = (...argv: string[]) => world.person.sally(argv, alice());
  const logIn = async (...flags: string[]) => {
    const done = await sally('login', '--server', world.server.url, ...flags);
    expect(done.code, done.stderr).toBe(0);
    return done.stdout;
  };
  const listed = async () => {
    const { stdout } = await runAsync('ssh-add', ['-l'], { SSH_AUTH_SOCK: socket });
    return stdout === 'The agent has no identities.\n' ? [] : stdout.trim().split('\n');
  };

  beforeEach(async () => {
    socket = join(world.person.home, 'own.sock');
    agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    await vi.waitFor(() => expect(existsSync(socket)).toBe(true));
    await sally('logout');
    world.server.faults = {};
  });
  afterEach(async () => {
    agent.kill();
    await once(agent, 'exit');
    await world.person.sally(['login', '--server', world.server.url, '--no-add-to-agent']);
  });

  test('[seeds 16] [abuse 129] gets nothing without a word, and with it the key until its certificate ends', async () => {
    await logIn();
    expect(await listed()).toEqual([]);
    const options = world.person.sshOptions('near.sallyport');
    expect(options.get('identitiesonly')).toEqual(['yes']);
    expect(options.get('addkeystoagent')).toEqual(['false']);
    expect(world.person.sshOptions('example.com').get('identitiesonly')).toEqual(['no']);

    expect(await logIn('--add-to-agent')).toContain(
      'Your ssh-agent holds the key until its certificate ends',
    );
    const first = await listed();
    expect(first).toEqual([expect.stringMatching(/ alice@demo\.example \(ED25519-CERT\)$/)]);
    expect(await ssh(socket, 'near', 'echo near')).toMatchObject({ code: 0, stdout: 'near\n' });

    // Each renewal puts the new one in the old one's place; once chosen it stays chosen.
    expect((await sally('cert', 'ensure', '--force')).code).toBe(0);
    const second = await listed();
    expect(second).toHaveLength(1);
    expect(second).not.toEqual(first);

    world.server.faults.certificateLifeSeconds = 2;
    expect((await sally('cert', 'ensure', '--force')).code).toBe(0);
    expect(await listed()).toHaveLength(1);
    await vi.waitFor(async () => expect(await listed()).toEqual([]), { timeout: 8000, interval: 200 });
  });

  test('[abuse 129] opens our machines from here, and nothing where it is passed on', async () => {
    await logIn('--add-to-agent');
    expect(await ssh(socket, 'near', 'echo near')).toMatchObject({ code: 0, stdout: 'near\n' });
    expect((await ssh(socket, 'near', 'ssh-add -l')).stdout).toBe('The agent has no identities.\n');
    expect(await ssh(socket, 'near', onward())).toMatchObject({ code: 255, stdout: '' });
    expect(await ssh(socket, 'far', 'echo far')).toMatchObject({ code: 0, stdout: 'far\n' });
  });

  test('[abuse 129] holds nothing after the logout, nor when the server has said that the session is over', async () => {
    for (const end of ['logout', 'over'] as const) {
      await logIn('--add-to-agent');
      await world.startAgent();
      const client = await world.client();
      expect(await client.list()).toHaveLength(1);
      expect(await listed()).toHaveLength(1);
      if (end === 'over') world.server.faults.sessionOver = true;
      await sally(...(end === 'logout' ? ['logout'] : ['cert', 'ensure', '--force']));
      expect(await listed()).toEqual([]);
      expect(await client.list()).toEqual([]);
      client.close();
      await world.stopAgent();
      world.server.faults = {};
    }
  });

  test('is not asked to keep what it would keep without limits', async () => {
    // An agent that knows nothing of limits: ours is none to add to.
    await world.person.sally(['login', '--server', world.server.url]);
    await world.startAgent();
    const done = await world.person.sally(['login', '--server', world.server.url, '--add-to-agent'], {
      environment: { forPrograms: { ...process.env, SSH_AUTH_SOCK: world.socket } },
    });
    expect(done).toMatchObject({ code: 5, stderr: expect.stringContaining('OpenSSH 8.9 or later') });
    await world.stopAgent();
    expect(await listed()).toEqual([]);
    const nowhere = await world.person.sally(['login', '--add-to-agent']);
    expect(nowhere).toMatchObject({ code: 2, stderr: expect.stringContaining('SSH_AUTH_SOCK is not set') });
  });
});
