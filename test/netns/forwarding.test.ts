/**
 * What people forward through gateways, against the real server: tunnels to services, ports of the target to their own
 * side, and their agent; each where the app allows it, and nothing beside it.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { bumpStateVersion } from '../../src/revocation/state-version.ts';
import { until } from '../gateway/ssh-client.ts';
import type { Machine } from './machine.ts';
import type { PersonAtMachine } from './person.ts';
import { canMakeNetworks, NetworkWorld, type RunningMachine } from './world.ts';

const httpServer = `
  const [, text, host, port] = process.argv;
  require('node:http').createServer((_, response) => response.end(text)).listen(+port, host, () => console.log('up'));
`;

describe.runIf(canMakeNetworks)('forwarding', () => {
  let world: NetworkWorld;
  let laptop: Machine;
  let alice: PersonAtMachine;
  const servers: ChildProcess[] = [];

  beforeAll(async () => {
    world = await NetworkWorld.open();
    laptop = await world.network.machine('laptop', 31);
    alice = await world.person('alicia', laptop);
    const { center } = world.network;
    await serve(center, 'of the service', center.address, 8080);
    await serve(center, 'of staging', center.address, 8081);
    await serve(center, 'for admins', center.address6, 8080);
    await serve(laptop, 'of the laptop', '127.0.0.1', 8090);
    for (const { machine } of world.gateways) {
      await machine.must(['/bin/sh', '-euc', `echo "${center.address} db.shop.test" >>/etc/hosts`]);
      await serve(machine, 'of the gateway', '127.0.0.1', 8080);
    }
    const { db } = world.server.test.database;
    await inTransaction(db, async (tx) => {
      const environments = await tx.selectFrom('environments').select(['id', 'slug']).execute();
      const idOf = (slug: string) => environments.find((found) => found.slug === slug)?.id ?? '';
      const service = { environment_id: idOf('production'), kind: 'http', port: 8080 };
      await tx
        .insertInto('services')
        .values([
          { ...service, slug: 'by-address', address: center.address },
          { ...service, slug: 'by-name', address: 'db.shop.test' },
          { ...service, slug: 'loopback', address: '127.0.0.1' },
          { ...service, slug: 'localhost', address: 'localhost' },
          { ...service, slug: 'for-admins', address: center.address6, role: 'admin' },
          {
            ...service,
            slug: 'elsewhere',
            address: center.address,
            port: 8081,
            environment_id: idOf('staging'),
          },
        ])
        .execute();
      // api allows everything, db nothing; staging's web is as apps are made.
      const allow = (slug: string, to: boolean) =>
        tx
          .updateTable('apps')
          .set({ local_forwarding: to, remote_forwarding: to, agent_forwarding: to })
          .where('slug', '=', slug)
          .execute();
      await allow('api', true);
      await allow('db', false);
      await bumpStateVersion(tx, new Date(), { krl: false });
    });
    await world.allHaveHeard();
    await alice.certify(world.server.test);
    for (const one of world.gateways) await opened(one);
    await opened(world.hosts[0]);
  });
  afterAll(async () => {
    for (const server of servers) server.kill('SIGKILL');
    await world?.close();
  });

  async function serve(machine: Machine, text: string, host: string, port: number): Promise<void> {
    const server = machine.spawn([process.execPath, '-e', httpServer, text, host, `${port}`]);
    servers.push(server);
    if (server.stdout) await once(server.stdout, 'data');
  }

  /** Its sshd has been told that somebody may forward. */
  async function opened(one: RunningMachine | undefined): Promise<void> {
    await until(() => one?.log.some((line) => line.includes('SIGHUP')) ?? false, 'the reload of sshd');
    const { machine } = one ?? {};
    await until(async () => {
      const { stdout } = (await machine?.run(['/usr/sbin/sshd', '-T'])) ?? { stdout: '' };
      return stdout.includes('allowagentforwarding yes') && stdout.includes('allowtcpforwarding yes');
    }, 'the configuration of sshd');
  }

  const request = { input: 'GET / HTTP/1.0\r\n\r\n' };
  const through = async (target: string, place: string) => await alice.ssh(['-W', place, target], request);

  test('[seeds 33] -L reaches the services of the target’s environment, by address and by name', async () => {
    const way = 'shop-production--api@gate1';
    const forward = `9100:${world.network.center.address}:8080`;
    const ssh = ['/usr/bin/ssh', ...alice.options, '-o', 'ExitOnForwardFailure=yes', '-L', forward, way];
    const tunnel = laptop.spawn([...ssh, 'echo up; cat']);
    if (tunnel.stdout) await once(tunnel.stdout, 'data');
    expect(await laptop.must(['/usr/bin/curl', '-s', 'http://127.0.0.1:9100/'])).toBe('of the service');
    tunnel.stdin?.end();
    await once(tunnel, 'close');
    expect((await through('shop-production--api@gate2', 'db.shop.test:8080')).stdout).toContain(
      'of the service',
    );
  });

  test.each([
    ['another target', 'shop-production--api', '10.213.0.22:22'],
    ['the gateway itself', 'shop-production--api', '10.213.0.11:22'],
    ['the gateway’s loopback, though a service says so', 'shop-production--api', '127.0.0.1:8080'],
    ['the same by its name', 'shop-production--api', 'localhost:8080'],
    ['a service for a higher role', 'shop-production--api', '[fd00:213::1]:8080'],
    ['a service, from an app that allows no tunnels', 'shop-production--db', '10.213.0.1:8080'],
    [
      'another port of the same machine, a service of another environment',
      'shop-production--api',
      '10.213.0.1:8081',
    ],
    ['a service of production, from staging', 'shop-staging--web', '10.213.0.1:8080'],
  ])('[seeds 33] -L does not reach %s', async (_what, target, place) => {
    const { status, stdout } = await through(`${target}@gate1`, place);
    expect([status === 0, stdout]).toEqual([false, '']);
  });

  const asked = 'curl -s --max-time 5 http://localhost:9200/';
  const remote = ['-o', 'ExitOnForwardFailure=yes', '-R', '9200:127.0.0.1:8090'];

  test('[seeds 33] -R brings a port of the target to the person, where the app allows it', async () => {
    for (const gateway of ['gate1', 'gate2']) {
      const ran = await alice.ssh([...remote, `shop-production--api@${gateway}`, asked]);
      expect(ran).toEqual({ status: 0, stdout: 'of the laptop', stderr: '' });
    }
    const jump = `ProxyCommand=/usr/bin/ssh ${alice.options.join(' ')} -W %h:%p shop-production--api@gate1`;
    const ran = await alice.ssh(['-o', jump, ...remote, 'app@shop-production--api', asked]);
    expect(ran).toEqual({ status: 0, stdout: 'of the laptop', stderr: '' });
  });

  test('[seeds 33] -R is closed where the app does not allow it, and to everybody else’s network', async () => {
    for (const target of ['shop-production--db', 'shop-staging--web']) {
      const ran = await alice.ssh([...remote, `${target}@gate1`, 'echo in']);
      expect([ran.status, ran.stdout]).toEqual([255, '']);
      const direct = await alice.ssh([...remote, `app@${target}`, 'echo in']);
      expect([direct.status, direct.stdout]).toEqual([255, '']);
    }
    for (const place of ['0.0.0.0:9200', '*:9200', '/tmp/socket']) {
      const args = ['-o', 'ExitOnForwardFailure=yes', '-R', `${place}:127.0.0.1:8090`];
      const ran = await alice.ssh([...args, 'shop-production--api@gate1', 'echo in']);
      expect([place, ran.status, ran.stdout]).toEqual([place, 255, '']);
    }
  });

  test('[seeds 44] every session has a second leg of its own, certified for the gateway that asked', async () => {
    const { db } = world.server.test.database;
    const hops = () =>
      db
        .selectFrom('certificates')
        .innerJoin('companions', 'companions.id', 'certificates.companion_id')
        .select(['companions.name', 'certificates.public_key', 'certificates.principals'])
        .where('certificates.session_id', '=', alice.person.sessionId)
        .where('certificates.kind', '=', 'hop')
        .orderBy('certificates.serial')
        .execute();
    const before = (await hops()).length;
    for (const gateway of ['gate1', 'gate2', 'gate2']) {
      expect((await alice.ssh([`shop-production--api@${gateway}`, 'ls ~/.ssh 2>/dev/null'])).stdout).toBe('');
    }
    const made = (await hops()).slice(before);
    expect(made.map(({ name, principals }) => `${name} ${principals}`)).toEqual([
      'gate1 hop:box1',
      'gate2 hop:box1',
      'gate2 hop:box1',
    ]);
    expect(new Set(made.map(({ public_key }) => public_key.toString('hex'))).size).toBe(3);
  });

  test('[seeds 33] an agent goes along where the app allows it, and nowhere else', async () => {
    const script = `
      rm -f /root/other; ssh-keygen -q -t ed25519 -N '' -C mine -f /root/other
      ssh-add -q /root/other
      exec /usr/bin/ssh "$@" 'ssh-add -l'`;
    const withAgent = async (...args: string[]) =>
      await laptop.run([
        '/usr/bin/ssh-agent',
        '/bin/sh',
        '-uc',
        script,
        'sh',
        ...alice.options,
        '-A',
        ...args,
      ]);
    for (const way of ['shop-production--api@gate1', 'app@shop-production--api']) {
      expect(await withAgent(way)).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/ mine \(ED25519\)\n$/),
      });
    }
    for (const way of ['shop-production--db@gate1', 'app@shop-production--db', 'shop-staging--web@gate2']) {
      const { status, stdout } = await withAgent(way);
      expect([way, status, stdout]).toEqual([way, 2, '']);
    }
  });
});
