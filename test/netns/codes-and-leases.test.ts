/**
 * Registered keys, one-time codes and leases on machines of their own, installed by the program’s own commands: the real
 * server, the real sshd and PAM, a real firewall. The commands of `sally`: test/cli.
 *
 * [seeds 45]: here what a lease opens and when it closes; test/cli/lease.test.ts has its options, the wait, and renewal where
 * the gateway sees another address; test/cli/reach/leases.test.ts that `sally ssh` asks by itself.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { registrationMessage } from '../../src/api/ssh-keys.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { quickKeyExchange } from '../../src/dev/local-sshd.ts';
import { bumpStateVersion } from '../../src/revocation/state-version.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { until } from '../gateway/ssh-client.ts';
import type { Finished, Machine } from './machine.ts';
import { finished } from './machine.ts';
import type { PersonAtMachine } from './person.ts';
import { appLogin, canMakeNetworks, NetworkWorld, type RunningMachine } from './world.ts';

const target = 'shop-production--api';
const hook = '/var/lib/sallyport-hook/nftables.sh';

/** As docs/leases.md has it; what is closed says so, for tests that can't wait. */
const firewall = `
  table inet filter {
    chain sallyport_leases { }
    chain input {
      type filter hook input priority 0; policy accept;
      ct state established,related accept
      iif lo accept
      meta l4proto ipv6-icmp accept
      jump sallyport_leases
      tcp dport { 22, 443 } reject with tcp reset
    }
  }
`;

describe.runIf(canMakeNetworks)('without certificates', () => {
  let world: NetworkWorld;
  let laptop: Machine;
  let office: Machine;
  let alice: PersonAtMachine;
  let bob: PersonAtMachine;
  let carol: PersonAtMachine;
  let gate: RunningMachine;
  const started: ChildProcess[] = [];

  beforeAll(async () => {
    world = await NetworkWorld.open();
    laptop = await world.network.machine('laptop', 31);
    office = await world.network.machine('office', 32);
    alice = await world.person('alicia', laptop);
    bob = await world.person('bobby', laptop);
    carol = await world.person('carola', laptop);
    const [, second] = world.gateways;
    if (second === undefined) throw new Error('no second gateway');
    gate = second;
  });
  afterAll(async () => {
    for (const child of started) child.kill('SIGKILL');
    await world?.close();
  });

  const call = async (path: string, body: object, as = alice.person) => {
    const reply = await world.server.test.call('POST', path, { as, body });
    expect([path, reply.statusCode, reply.body]).toEqual([path, expect.toBeOneOf([200, 201]), reply.body]);
    return reply.json();
  };

  describe('registered keys', () => {
    const staging = 'shop-staging--web';

    async function register(): Promise<string> {
      const { test: server } = world.server;
      await server.database.db.updateTable('organizations').set({ registered_keys: true }).execute();
      const key = generateEd25519();
      const { challenge, namespace } = await call('/v1/certificates/challenge', {});
      const signature = await signSshsig({
        message: registrationMessage(alice.person.sessionId, challenge),
        namespace,
        publicKeyBlob: key.publicKeyBlob,
        sign: (bytes) => signWithKey(key.privateKey, bytes),
      });
      const public_key = publicKeyLine({ blob: key.publicKeyBlob });
      const made = await call('/v1/ssh-keys', {
        public_key,
        name: 'own',
        possession: { challenge, signature },
      });
      await laptop.write('/root/own', key.openssh('test'), '0600');
      await laptop.write(
        '/root/own.config',
        (await laptop.read(`${alice.folder}/config`)).replace(`${alice.folder}/id`, '/root/own'),
      );
      return made.id;
    }
    const ask = (...args: string[]) => ['/usr/bin/ssh', '-F', '/root/own.config', ...args];
    /** What sshd makes of its files now. */
    const asksAboutKeys = async () =>
      (await gate.machine.must(['/usr/sbin/sshd', '-T'])).includes('authorizedkeyscommand none') === false;

    test('[seeds 13] sshd asks about keys once there are some; one gets in by it, and loses it at once', async () => {
      expect(await asksAboutKeys()).toBe(false);
      const id = await register();
      await until(asksAboutKeys, 'an sshd that asks about keys');
      await until(
        async () => (await laptop.run(ask(`${staging}@gate2`, 'id -un'))).stdout === `${appLogin}\n`,
        'a login by the key',
      );
      // Production wants a second factor, which a key never has.
      const refused = await laptop.run(ask(`${target}@gate2`, 'id -un'));
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('Error: Access denied')]);

      const running = laptop.spawn(ask(`${staging}@gate2`, 'echo in; cat'));
      started.push(running);
      const ended = new Promise((resolve) => running.once('close', resolve));
      if (running.stdout) await once(running.stdout, 'data');
      await call(`/v1/ssh-keys/${id}/remove`, {});
      expect(await ended).not.toBe(0);
      expect((await laptop.run(ask(`${staging}@gate2`, 'id'))).status).toBe(255);
      await until(async () => !(await asksAboutKeys()), 'an sshd that asks no more');
      expect((await alice.ssh([`${target}@gate2`, 'id -un'])).stdout).toBe(`${appLogin}\n`);
    });
  });

  describe('one-time codes', () => {
    const first = () => world.gateways[0] as RunningMachine;

    beforeAll(async () => {
      await world.server.test.database.db.updateTable('organizations').set({ ssh_codes: true }).execute();
      const said = await world.install(first(), ['--codes', '--codes-port', '2224']);
      expect(said).toContain('One-time codes are taken at port 2224');
      await world.kill(first(), 'companion');
      await world.startCompanion(first());
      const folder = '/var/lib/sallyport/gateway/codes';
      const listener = first().machine.spawn(
        [`${folder}/sallyport-codes`, '-D', '-e', quickKeyExchange, '-f', `${folder}/sshd_config`],
        { stdio: ['ignore', 'ignore', 'pipe'] },
      );
      started.push(listener);
      if (listener.stderr) await once(listener.stderr, 'data');
      await laptop.write('/root/askpass', '#!/bin/sh\nprintf "%s\\n" "$CODE"\n', '0755');
    });

    const code = async (body: object = {}): Promise<string> =>
      (await call('/v1/ssh-codes', { target, ...body })).code;
    const client = (typed: string, ...command: string[]) => ({
      program: [
        '/usr/bin/ssh',
        ...['-F', '/dev/null', '-p', '2224', '-o', 'HostKeyAlias=gate1.sallyport'],
        ...['-o', `UserKnownHostsFile=${alice.folder}/known_hosts`, '-o', 'NumberOfPasswordPrompts=1'],
        ...['-o', 'PubkeyAuthentication=no', `${target}@${first().machine.address}`, ...command],
      ],
      env: { SSH_ASKPASS: '/root/askpass', SSH_ASKPASS_REQUIRE: 'force', CODE: typed },
    });
    async function logIn(typed: string, ...command: string[]): Promise<Finished> {
      const { program, env } = client(typed, ...command);
      return await laptop.run(program, { env });
    }

    test('[seeds 11] a code that the server made takes its person to the target, once', async () => {
      const made = await code();
      expect(await logIn(made, 'id -un')).toMatchObject({ status: 0, stdout: `${appLogin}\n` });
      expect(await logIn(made, 'id -un')).toMatchObject({ status: 255, stdout: '' });
      const twice = await code({ uses: 2 });
      const sent =
        (await logIn(twice.toLowerCase(), 'echo one')).stdout + (await logIn(twice, 'echo two')).stdout;
      expect(sent).toBe('one\ntwo\n');
      expect(await logIn(twice, 'echo three')).toMatchObject({ status: 255, stdout: '' });
    });

    test('a code for another target lets in nowhere else', async () => {
      const made = await code({ target: 'shop-staging--web' });
      expect(await logIn(made, 'id')).toMatchObject({ status: 255, stdout: '' });
    });

    test('what runs by a code ends with the login that made it, on the target too', async () => {
      const made = (await call('/v1/ssh-codes', { target }, bob.person)).code;
      const { program, env } = client(made, 'echo in; while :; do sleep 0.1; done');
      const running = laptop.spawn(program, { env });
      started.push(running);
      const ended = finished(running);
      if (running.stdout) await once(running.stdout, 'data');
      await call(`/v1/sessions/own/${bob.person.sessionId}/end`, {}, bob.person);
      expect((await ended).status).not.toBe(0);
      const [host] = world.hosts;
      const loop = ['/usr/bin/pgrep', '-u', appLogin, '-f', 'sleep 0.1'];
      await until(
        async () => (await host?.machine.run(loop))?.stdout === '',
        'the end of the loop on the target',
      );
    });

    test('nobody gets in while the server is away', async () => {
      const made = await code();
      await world.server.disappear();
      expect(await logIn(made, 'id')).toMatchObject({ status: 255, stdout: '' });
      await world.server.appear();
    });

    test('the machine’s own sshd and its PAM service stay as they are, and all is undone', async () => {
      const before = await readFile('/etc/pam.d/sshd', 'utf8');
      const { machine } = first();
      expect(await machine.read('/etc/pam.d/sshd')).toBe(before);
      expect(await machine.read('/etc/pam.d/sallyport-codes')).toContain('pam_exec.so');
      expect((await world.sallyport(first(), 'status')).stdout).toContain(
        'One-time codes: the listener runs',
      );
      await world.kill(first(), 'companion');
      expect(await world.sallyport(first(), 'uninstall')).toMatchObject({ status: 0 });
      expect((await machine.run(['/bin/cat', '/etc/pam.d/sallyport-codes'])).status).not.toBe(0);
      expect((await machine.run(['/bin/ls', '/var/lib/sallyport/gateway'])).status).not.toBe(0);
    });
  });

  describe('leases', () => {
    beforeAll(async () => {
      const { machine } = gate;
      const script = await readFile(
        join(import.meta.dirname, '../../deploy/lease-hooks/nftables.sh'),
        'utf8',
      );
      await machine.write(hook, script, '0755');
      await machine.must(['/usr/sbin/nft', '-f', '-'], { input: firewall });
      const { db } = world.server.test.database;
      await db
        .updateTable('companions')
        .set({ lease_max_seconds: 14_400 })
        .where('name', '=', 'gate2')
        .execute();
      await world.kill(gate, 'companion');
      await world.startCompanion(gate, ['--lease-hook', hook]);
    });
    beforeEach(async () => {
      for (const { id } of await held()) await call(`/v1/leases/${id}/end`, {});
      await until(async () => (await opened()) === '', 'a closed firewall');
    });

    const held = async () =>
      (await world.server.test.call('GET', '/v1/leases', { as: alice.person })).json().leases as {
        id: string;
        expires_at: number;
      }[];
    const lease = async (network: string, more: object = {}, as = alice.person) =>
      (await call('/v1/leases', { machine: 'gate2', network, ...more }, as)).leases[0];
    const opened = async () => (await gate.machine.must([hook, 'list'])).trim();
    /** Whether sshd greets whoever comes from there. */
    const reaches = async (from: Machine, address = gate.machine.address) => {
      const program = `exec 3<>/dev/tcp/${address}/22 && head -c 4 <&3`;
      return (await from.run(['/bin/bash', '-c', program])).stdout === 'SSH-';
    };
    const isOpen = (from: Machine, address?: string) =>
      until(() => reaches(from, address), `an open firewall for ${from.name}`);
    const isClosed = (from: Machine, address?: string) =>
      until(async () => !(await reaches(from, address)), `a closed firewall for ${from.name}`);

    test('[seeds 45] the port is closed, a lease opens it for the one address, and its end closes it', async () => {
      expect(await reaches(laptop)).toBe(false);
      const { id } = await lease(laptop.address);
      await isOpen(laptop);
      expect(await reaches(office)).toBe(false);
      // Another version of IP is another address.
      expect(await reaches(laptop, gate.machine.address6)).toBe(false);
      expect(await alice.ssh([`${target}@gate2`, 'id -un'])).toMatchObject({ stdout: `${appLogin}\n` });
      await call(`/v1/leases/${id}/end`, {});
      await isClosed(laptop);
    });

    test('[seeds 45] IPv6, networks of both kinds, and networks inside one another, each with its own end', async () => {
      const [whole, half, one, six, net6] = [
        await lease('10.213.0.0/24'),
        await lease('10.213.0.0/25'),
        await lease(laptop.address),
        await lease(laptop.address6),
        await lease('fd00:213::/64'),
      ];
      await isOpen(office);
      await isOpen(office, gate.machine.address6);
      await call(`/v1/leases/${net6.id}/end`, {});
      await isClosed(office, gate.machine.address6);
      await isOpen(laptop, gate.machine.address6);
      await call(`/v1/leases/${six.id}/end`, {});
      await isClosed(laptop, gate.machine.address6);
      await call(`/v1/leases/${half.id}/end`, {});
      await call(`/v1/leases/${one.id}/end`, {});
      await until(async () => (await opened()) === '10.213.0.0/24 22', 'one network that is left');
      expect(await reaches(laptop)).toBe(true);
      await call(`/v1/leases/${whole.id}/end`, {});
      await isClosed(laptop);
    });

    test('[seeds 45] a lease ends by itself, even if nobody is there to end it', async () => {
      const { id } = await lease(laptop.address);
      await isOpen(laptop);
      const { db } = world.server.test.database;
      const soon = new Date(Date.now() + 3_000);
      await inTransaction(db, async (tx) => {
        await tx.updateTable('leases').set({ expires_at: soon }).where('id', '=', id).execute();
        await bumpStateVersion(tx, new Date(), { krl: false });
      });
      // The kernel has the new time once the element was replaced.
      await until(async () => {
        const rules = await gate.machine.must(['/usr/sbin/nft', 'list', 'ruleset']);
        return /timeout [0-3](s|[0-9]{0,3}ms)/.test(rules) || !rules.includes(laptop.address);
      }, 'the shorter time');
      await world.kill(gate, 'companion');
      await isClosed(laptop);
      await world.startCompanion(gate, ['--lease-hook', hook]);
    });

    test('[seeds 45] is extended, and never shut in between', async () => {
      await lease(laptop.address, { ttl_seconds: 60 });
      await isOpen(laptop);
      await lease(laptop.address, { ttl_seconds: 7_200 });
      let wasShut = false;
      await until(async () => {
        wasShut ||= !(await reaches(laptop));
        // Less by what has passed since it was asked for.
        return /timeout (2h|1h59m)/.test(await gate.machine.must(['/usr/sbin/nft', 'list', 'ruleset']));
      }, 'the longer time');
      expect(wasShut).toBe(false);
    });

    test('[seeds 45] revoking the session closes it', async () => {
      await lease(office.address, {}, carol.person);
      await isOpen(office);
      await call(`/v1/sessions/own/${carol.person.sessionId}/end`, {}, carol.person);
      await isClosed(office);
    });

    test('a companion that starts closes what ended meanwhile, and opens what began', async () => {
      const { id } = await lease(laptop.address);
      await isOpen(laptop);
      await world.kill(gate, 'companion');
      await call(`/v1/leases/${id}/end`, {});
      await lease(office.address);
      expect(await reaches(laptop)).toBe(true);
      await world.startCompanion(gate, ['--lease-hook', hook]);
      await isClosed(laptop);
      await isOpen(office);
    });

    test('a hook that fails is a problem that admins see, until it works again', async () => {
      const { db } = world.server.test.database;
      const problem = async () =>
        (await db.selectFrom('companions').select('problem').where('name', '=', 'gate2').executeTakeFirst())
          ?.problem ?? null;
      const script = await gate.machine.read(hook);
      await gate.machine.write(hook, '#!/bin/sh\necho "no firewall today" >&2\nexit 1\n', '0755');
      await lease(laptop.address);
      await until(async () => (await problem())?.includes('no firewall today') ?? false, 'the problem');
      await gate.machine.write(hook, script, '0755');
      await isOpen(laptop);
      await until(async () => (await problem()) === null, 'no problem');
    });
  });
});
