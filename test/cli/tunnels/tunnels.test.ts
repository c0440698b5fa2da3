/**
 * Tunnels with everything real: the server, a gateway's sshd with its companion, ssh, the process that keeps a tunnel, and
 * services behind the gateway, a Postgres among them.
 *
 * [seeds 50], [seeds 53]: here with processes that are killed, started again and moved; state.test.ts has the reboot, the pid
 * that is somebody else's and systems without /proc, keeping.test.ts what ssh and the server may say.
 */

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { isAlive as isRunning, readProcess } from '../../../src/gateway/proc.ts';
import { until } from '../../gateway/ssh-client.ts';
import { hasTmux, Tmux } from '../../gateway/tmux.ts';
import { runAsync, sallyEntry } from '../person.ts';
import {
  address,
  canTunnel,
  type Listed,
  production,
  readFrom,
  staging,
  TunnelWorld,
} from './tunnel-world.ts';

let world: TunnelWorld;
beforeAll(async () => {
  if (canTunnel) world = await TunnelWorld.open(new URL(inject('postgresUrl') ?? ''));
});
afterAll(() => world?.close());
afterEach(async () => {
  if (canTunnel) await sally(['tunnel', 'close', '--all']);
});

const sally = (...args: Parameters<TunnelWorld['reach']['sally']>) => world.reach.sally(...args);
const portsOf = ({ services }: Listed) => services.map(({ name, port }) => [name, port]);
const portOf = (tunnel: Listed, name: string) =>
  tunnel.services.find((service) => service.name === name)?.port ?? 0;
const isAlive = (pid: number | null) => pid !== null && readRunning(pid);
const folder = () => join(world.reach.alice.machine.paths.folder, 'tunnels');

/** One that only waits for its parent is not. */
function readRunning(pid: number): boolean {
  const found = readProcess(pid);
  return found !== undefined && isRunning(found);
}

async function opened(...args: string[]): Promise<Listed> {
  const result = await sally(['tunnel', 'open', staging, ...args]);
  expect(result).toMatchObject({ code: 0 });
  return await world.one();
}

async function untilStatus(status: string): Promise<Listed> {
  let found: Listed | undefined;
  await until(async () => {
    [found] = await world.list();
    return found?.status === status;
  }, `a tunnel that is ${status}`);
  return found as Listed;
}

/** Listens where the system gives nobody a port, so that it is free again afterwards. */
async function squat(): Promise<{ squatter: Server; port: number }> {
  for (;;) {
    const port = randomInt(20_000, 29_000);
    const squatter = createServer().listen(port, '127.0.0.1');
    const listens = await once(squatter, 'listening').catch(() => undefined);
    if (listens) return { squatter, port };
  }
}

describe.skipIf(!canTunnel)('tunnels (need root, sshd, libnss-extrausers, Postgres, a network)', () => {
  test('[seeds 48] one ssh carries all services of the environment, at ports from 30000 on that stay theirs', async () => {
    const tunnel = await opened();
    const [db, word] = [portOf(tunnel, 'db'), portOf(tunnel, 'word')];
    expect(Math.min(db, word)).toBeGreaterThanOrEqual(30_000);
    expect(await readFrom(word)).toBe('a word\n');
    // One process has both.
    const words = readFileSync(`/proc/${tunnel.ssh_pid}/cmdline`, 'utf8').split('\0');
    expect(words.filter((text) => text.startsWith('127.0.0.1:')).map((text) => text.split(':')[1])).toEqual([
      String(db),
      String(word),
    ]);
    // Another environment has others, also where it comes first the next time.
    expect((await sally(['tunnel', 'open', production, '--yes'])).code).toBe(0);
    const other = (await world.list()).find(({ target }) => target.startsWith(production)) as Listed;
    expect(new Set([...portsOf(tunnel), ...portsOf(other)].map(([, port]) => port)).size).toBe(4);
    await sally(['tunnel', 'close', '--all']);
    await sally(['tunnel', 'open', production, '--yes']);
    expect(portsOf(await world.one())).toEqual(portsOf(other));
    await sally(['tunnel', 'close']);

    // A port that is taken is told, and taken again when it is free.
    const squatter = createServer().listen(db, '127.0.0.1');
    await once(squatter, 'listening');
    const elsewhere = await sally(['tunnel', 'open', staging]);
    const moved = portOf(await world.one(), 'db');
    expect(elsewhere.stderr).toContain(`port ${db} is taken here; db is at ${moved} this time`);
    expect([db, word]).not.toContain(moved);
    await sally(['tunnel', 'close']);
    squatter.close();
    await once(squatter, 'close');
    expect(portsOf(await opened())).toEqual(portsOf(tunnel));
    // Opened again it is the same one.
    const again = await sally(['tunnel', 'open', staging]);
    expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('is open already') });
    expect(await world.list()).toHaveLength(1);
  });

  test('[seeds 48] production asks first, or wants --yes; what is not open to the person is not promised', async () => {
    const silent = await sally(['tunnel', 'open', production]);
    expect(silent).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--yes') });
    const asked: string[] = [];
    const answer = (text: string) => async (question: string) => {
      asked.push(question);
      return text;
    };
    const { alice } = world.reach;
    const options = {
      environment: {
        passwdHome: '/nonexistent',
        forPrograms: { HOME: alice.machine.home, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' },
      },
    };
    const no = await alice.sally(['tunnel', 'open', production], { ...options, ask: answer('n') });
    expect(no).toMatchObject({ code: 2, stderr: expect.stringContaining('No tunnel was opened') });
    expect(await world.list()).toEqual([]);
    const yes = await alice.sally(['tunnel', 'open', production], { ...options, ask: answer('y') });
    expect([yes.code, asked]).toEqual([
      0,
      Array.from({ length: 2 }, () => 'shop-production is production. Open tunnels to db, word? [y/N] '),
    ]);
  });

  test.skipIf(!hasTmux)('at a terminal of 80x24 the question and the tables are whole lines', async () => {
    const { home } = world.reach.alice.machine;
    const words = [process.execPath, sallyEntry, 'tunnel', 'open', production];
    const tmux = await Tmux.run(join(home, 'tmux'), words, { HOME: home, NO_COLOR: '1' });
    try {
      expect(await tmux.waitFor(/\[y\/N\]/)).toBe(
        'shop-production is production. Open tunnels to db, word? [y/N]',
      );
      await tmux.type('y');
      await tmux.press('Enter');
      const screen = (await tmux.waitFor(/ended with 0/)).split('\n');
      // The addresses have no room beside the rest.
      expect(screen.slice(1, 3)).toEqual(['SERVICE  KIND        ADDRESS', '  URL']);
      expect(screen[3]).toMatch(/^db {7}postgresql {2}127\.0\.0\.1:3\d{4}$/);
      expect(screen[4]).toMatch(/^ {2}postgresql:\/\/sallyport@127\.0\.0\.1:3\d{4}\/postgres$/);
      expect(screen.slice(7)).toEqual([
        'sally: to end it: sally tunnel close shop-production',
        'ended with 0',
      ]);
    } finally {
      tmux.close();
    }
  });

  test('[seeds 49] single is there until Ctrl-C, and takes only a port that can be had', async () => {
    for (const port of ['0', '65536', '-1', 'http', '1e3']) {
      const refused = await sally(['tunnel', 'single', 'db', staging, `--port=${port}`]);
      expect([port, refused.code, refused.stdout]).toEqual([port, 2, '']);
      expect(refused.stderr).toContain('Expected a number from 1 to 65535');
    }
    const { squatter, port: taken } = await squat();
    const refused = await sally(['tunnel', 'single', 'db', staging, '--port', `${taken}`]);
    expect(refused).toMatchObject({
      code: 6,
      stderr: expect.stringContaining(`Port ${taken} is taken here`),
    });
    squatter.close();
    await once(squatter, 'close');
    const unknown = await sally(['tunnel', 'single', 'nothing', staging]);
    expect(unknown.stderr).toContain('There are: db, word');

    const single = world.reach.start(['tunnel', 'single', 'word', staging, '--port', `${taken}`]);
    await single.says(/until this is interrupted/);
    const tunnel = await world.one();
    expect(single.stdout()).toContain(`word is at 127.0.0.1 port ${taken}\n`);
    expect([tunnel.pid, await readFrom(taken)]).toEqual([single.process.pid, 'a word\n']);
    single.process.kill('SIGINT');
    expect((await once(single.process, 'close'))[0]).toBe(0);
    expect([isAlive(tunnel.ssh_pid), existsSync(join(folder(), tunnel.id))]).toEqual([false, false]);
    await expect(readFrom(taken)).rejects.toThrow('ECONNREFUSED');

    // Killed before it could say anything: ssh goes with it, and whoever looks next finds nothing.
    const killed = world.reach.start(['tunnel', 'single', 'word', staging]);
    await killed.says(/until this is interrupted/);
    const { ssh_pid: ssh } = await world.one();
    killed.process.kill('SIGKILL');
    await until(() => !isAlive(ssh), 'the end of ssh');
    expect(await world.list()).toEqual([]);
  });

  test('[seeds 50] list, info and close tell what is so, whichever of the processes was killed', async () => {
    expect((await sally(['tunnel', 'list'])).stdout).toBe('No tunnel is open.\n');
    const tunnel = await opened();
    const listed = await sally(['tunnel', 'list']);
    expect(listed.stdout.split('\n')[1]).toBe(
      `${tunnel.id}  shop-staging  up      db:${portOf(tunnel, 'db')} word:${portOf(tunnel, 'word')}`,
    );
    const info = await sally(['tunnel', 'info', staging]);
    expect(info.stdout).toMatch(/^Status +up since /m);
    expect(info.stdout).toContain(tunnel.log);
    const [informed] = JSON.parse((await sally(['tunnel', 'info', '--json'])).stdout).tunnels;
    expect(informed).toEqual(tunnel);

    // ssh: it comes back under its supervisor, at the same ports.
    process.kill(there(tunnel.ssh_pid), 'SIGKILL');
    await until(async () => (await world.one()).ssh_pid !== tunnel.ssh_pid, 'another ssh');
    const back = await untilStatus('up');
    expect([back.pid, portsOf(back)]).toEqual([tunnel.pid, portsOf(tunnel)]);
    expect(await readFrom(portOf(back, 'word'))).toBe('a word\n');

    // Its supervisor: ssh ends by itself, nobody has to look.
    process.kill(there(back.pid), 'SIGKILL');
    await until(() => !isAlive(back.ssh_pid), 'the end of ssh');
    const pruned = await sally(['tunnel', 'list']);
    expect(pruned).toMatchObject({ code: 0, stdout: 'No tunnel is open.\n' });
    expect(pruned.stderr).toContain(`has lost the process that kept it, so it is over. Open it again`);

    // The sally that opens it: the tunnel is none of its children.
    const opening = world.reach.start(['tunnel', 'open', staging]);
    await until(
      async () => (await world.list()).some(({ pid }) => pid !== opening.process.pid),
      'a supervisor',
    );
    opening.process.kill('SIGKILL');
    const alone = await untilStatus('up');
    const closed = await sally(['tunnel', 'close', alone.id]);
    expect(closed).toMatchObject({ code: 0, stdout: 'The tunnel to shop-staging is closed.\n' });
    expect([isAlive(alone.pid), isAlive(alone.ssh_pid), existsSync(join(folder(), alone.id))]).toEqual([
      false,
      false,
      false,
    ]);

    // Of several one is named, or all are meant.
    await sally(['tunnel', 'open', staging]);
    await sally(['tunnel', 'open', production, '--yes']);
    const which = await sally(['tunnel', 'close']);
    expect(which).toMatchObject({ code: 2, stderr: expect.stringContaining('Several tunnels are open') });
    expect((await sally(['tunnel', 'close', 'no-such'])).code).toBe(1);
    const all = await sally(['tunnel', 'close', '--all']);
    expect(all.stdout.split('\n').sort()).toEqual([
      '',
      'The tunnel to shop-production is closed.',
      'The tunnel to shop-staging is closed.',
    ]);
  });

  test('[seeds 51] info --encode is base64 JSON of the services with host and port of here, env sets it in a shell', async () => {
    const tunnel = await opened();
    const encoded = await sally(['tunnel', 'info', '--encode']);
    const relationships = JSON.parse(Buffer.from(encoded.stdout, 'base64').toString('utf8'));
    expect(Object.keys(relationships)).toEqual(['db', 'word']);
    const { username } = new URL(inject('postgresUrl') ?? '');
    expect(relationships.db).toEqual([
      expect.objectContaining({
        host: '127.0.0.1',
        port: portOf(tunnel, 'db'),
        scheme: 'pgsql',
        username,
        password: null,
        path: 'postgres',
        query: {},
      }),
    ]);
    expect(encoded.stderr).toContain('without passwords');
    const env = await sally(['tunnel', 'env']);
    const shown = 'printf "%s\\n" "$APP_RELATIONSHIPS" "$APP_DB_URL" "$APP_WORD_URL"';
    const told = await runAsync('sh', ['-euc', `eval "$LINES"; ${shown}`], { LINES: env.stdout });
    expect(told.stdout.split('\n')).toEqual([
      encoded.stdout.trimEnd(),
      `postgresql://${username}@127.0.0.1:${portOf(tunnel, 'db')}/postgres`,
      `telnet://127.0.0.1:${portOf(tunnel, 'word')}`,
      '',
    ]);
    // A program that goes by the URL gets there.
    const asked = await runAsync('psql', [told.stdout.split('\n')[1] ?? '', '-Atc', 'select 6 * 7']);
    expect(asked).toMatchObject({ code: 0, stdout: '42\n' });
    // Nothing to eval unless all of it is true.
    await sally(['tunnel', 'close']);
    expect(await sally(['tunnel', 'env'])).toMatchObject({ code: 1, stdout: '' });
  });

  test('[seeds 52] service starts the client through a tunnel that ends with it, and takes one that is open', async () => {
    const asked = await sally(['service', 'db', staging, '--', '-Atc', 'select 6 * 7']);
    expect(asked).toEqual({ code: 0, stdout: '42\n', stderr: '' });
    expect(await world.list()).toEqual([]);
    const failing = await sally(['service', 'postgresql', staging, '--', '-Atc', 'nonsense']);
    expect([failing.code, failing.stderr]).toEqual([1, expect.stringContaining('syntax error')]);

    const tunnel = await opened();
    expect((await sally(['service', 'db', staging, '--', '-Atc', 'select 7'])).stdout).toBe('7\n');
    expect(await world.one()).toEqual(tunnel);
    const way = await sally(['service', 'db', staging, '--no-client']);
    expect(way.stdout).toContain(`db is at 127.0.0.1 port ${portOf(tunnel, 'db')}\n`);
    const unknown = await sally(['service', 'word', staging]);
    expect(unknown).toMatchObject({ code: 0, stderr: 'sally: no client is known for telnet\n' });
    expect(unknown.stdout).toContain(`word is at 127.0.0.1 port ${portOf(tunnel, 'word')}\n`);
    const nowhere = { environment: { PATH: '/nonexistent' } };
    const missing = await world.reach.program(['service', 'db', staging], nowhere);
    expect([missing.code, missing.stdout]).toEqual([1, '']);
    expect(missing.stderr).toContain('psql is not installed here. It is in the package postgresql-client.');

    // Without one that is open it is there for another program until Ctrl-C.
    await sally(['tunnel', 'close']);
    const only = world.reach.start(['service', 'word', staging, '--no-client']);
    await only.says(/until this is interrupted/);
    const [word] = (await world.one()).services;
    expect(await readFrom(word?.port ?? 0)).toBe('a word\n');
    only.process.kill('SIGINT');
    expect((await once(only.process, 'close'))[0]).toBe(0);
    expect(await world.list()).toEqual([]);
  });

  test('[seeds 54] a tunnel is of this machine alone; --gateway-ports opens it to others, over IPv4 and IPv6, with a warning', async () => {
    const own = await opened();
    const port = portOf(own, 'word');
    await expect(readFrom(port, address)).rejects.toThrow('ECONNREFUSED');
    await expect(readFrom(port, '::1')).rejects.toThrow('ECONNREFUSED');
    await sally(['tunnel', 'close']);
    const opening = await sally(['tunnel', 'open', staging, '--gateway-ports']);
    expect(opening.stderr).toContain('WARNING: every machine that reaches this one can use these ports');
    expect((await world.one()).gateway_ports).toBe(true);
    for (const host of ['127.0.0.1', address, '::1']) expect(await readFrom(port, host)).toBe('a word\n');
    expect((await sally(['tunnel', 'info'])).stdout).toMatch(/^Ports +open to every machine/m);
  });

  test('[seeds 53] a tunnel comes back after the gateway, the service and the instance behind it have moved', {
    timeout: 120_000,
  }, async () => {
    const tunnel = await opened();
    const port = portOf(tunnel, 'word');
    expect(statSync(tunnel.log).mode & 0o777).toBe(0o600);

    // The gateway: away, which is told, and back.
    const startAgain = await world.stopGateway();
    const down = await untilStatus('reconnecting');
    expect([down.pid, down.why]).toEqual([tunnel.pid, expect.stringMatching(/./)]);
    expect((await sally(['tunnel', 'list'])).stderr).toContain(`sally: ${tunnel.id}: `);
    expect(await sally(['tunnel', 'env'])).toMatchObject({ code: 5, stdout: '' });
    // With another certificate than it had.
    expect((await sally(['cert', 'ensure', '--force'])).code).toBe(0);
    startAgain();
    await untilStatus('up');
    expect(await readFrom(port)).toBe('a word\n');

    // A redeploy: the service listens elsewhere, and the instance that the way led over is another one.
    const moved = await world.serve((socket) => void socket.end('moved\n'));
    await world.changeService('word', { port: moved });
    await until(async () => (await readFrom(port).catch(() => '')) === 'moved\n', 'the new address');
    await world.reach.change('instances', { target_name: tunnel.target }, { state: 'stopped' });
    await world.reach.change('instances', { target_name: 'shop-staging--web--old' }, { state: 'running' });
    const { ssh_pid: killed } = await untilStatus('up');
    process.kill(there(killed), 'SIGKILL');
    await until(async () => {
      const { target, status, ssh_pid: now } = await world.one();
      // The gateway may have been first: then it was the new one that was killed.
      return target === 'shop-staging--web--old' && status === 'up' && now !== killed;
    }, 'another way');
    expect(await readFrom(port)).toBe('moved\n');

    // A service that is gone is gone, and the others stay.
    await world.changeService('db', { enabled: false });
    await until(async () => (await untilStatus('up')).services.some(({ open }) => !open), 'one less');
    expect(await readFrom(port)).toBe('moved\n');
    await world.changeService('db', { enabled: true });
    const log = readFileSync(tunnel.log, 'utf8');
    expect(log).toMatch(/^\d{4}-\d\d-\d\dT\S+Z reconnecting: /m);
    expect(log).not.toContain('debug1');
  });

  test('[seeds 53] a session that was revoked ends its tunnel at the first refusal, for good, and says why', async () => {
    const tunnel = await opened();
    const boss = world.reach.demo.nextAdmin();
    await boss.login();
    const session = await world.reach.alice.sessionId();
    const revoked = await boss.sally(['admin', 'sessions', 'revoke', session, '--yes']);
    expect(revoked.code, revoked.stderr).toBe(0);
    const over = await untilStatus('refused');
    expect(over).toMatchObject({ pid: null, ssh_pid: null, why: 'session expired, run: sally login' });
    await until(() => !isAlive(tunnel.pid), 'the end of the supervisor');
    expect((await sally(['tunnel', 'list'])).stderr).toContain('session expired, run: sally login');
    expect((await sally(['tunnel', 'info'])).stdout).toMatch(/^Status +refused since .*: session expired/m);
    // The connection was ended, and nobody has knocked again.
    const log = readFileSync(tunnel.log, 'utf8');
    expect(log.match(/ up$/gm)).toHaveLength(1);
    expect(log).not.toContain('Permission denied');
  });
});

/** Never 0, which would be this process and all its kin (kill(2)). */
function there(pid: number | null): number {
  if (pid !== null && pid > 1) return pid;
  throw new Error('there is no process');
}
