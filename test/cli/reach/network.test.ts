/**
 * From networks that block ports, want a proxy, or have a bastion in front: with the demo's gateway, real sshd and ssh.
 *
 * [seeds 41]: that a gateway's sshd listens on several ports, with one host key for all of them, is shown by test/gateway;
 * here is what clients make of it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { canGenerateNames } from '../../../src/dev/local-sshd-namespace.ts';
import { processesWith } from '../../dev/started-program.ts';
import { freePort } from '../../gateway/ssh-client.ts';
import { runAsync } from '../person.ts';
import { startConnectProxy } from './connect-proxy.ts';
import { type Forwarder, startForwarder } from './forwarder.ts';
import { type ProgramOptions, ReachWorld } from './reach-world.ts';
import { type StockSshd, startStockSshd } from './stock-sshd.ts';

const hasNames = canGenerateNames();
const one = 'shop-staging--web--one';
let world: ReachWorld;
let stock: StockSshd;
let gatewayPort: number;
const forwarders: Forwarder[] = [];
beforeAll(async () => {
  if (!hasNames) return;
  world = await ReachWorld.open();
  gatewayPort = world.demo.dev.ports.gateway;
  stock = await startStockSshd(join(world.alice.machine.home, 'stock'));
  const { paths } = world.alice.machine;
  const own = `\nHost 127.0.0.1\n  UserKnownHostsFile ${stock.knownHosts}\n`;
  world.alice.machine.writeConfig(readFileSync(paths.userConfig, 'utf8') + own);
});
afterAll(async () => {
  for (const forwarder of forwarders) await forwarder.close();
  await stock?.stop();
  await world?.close();
});
afterEach(async () => {
  if (hasNames) await ports(gatewayPort);
});

const command = ['--', 'id -un'];
const enter = (options: ProgramOptions = {}) => world.sally(['ssh', one, ...command], options);
const ports = (port: number, ...more: number[]) =>
  world.change('companions', { name: 'gateway' }, { port, ports: more });
const config = () => readFileSync(world.alice.machine.paths.hosts, 'utf8');
async function forwarder(...to: Parameters<typeof startForwarder>): Promise<Forwarder> {
  const started = await startForwarder(...to);
  forwarders.push(started);
  return started;
}

describe.skipIf(!hasNames)('a gateway (needs root, sshd, libnss-extrausers)', () => {
  test('[seeds 47] has its port in the ssh config, so that nobody needs -p', async () => {
    expect(gatewayPort).not.toBe(22);
    const options = world.alice.machine.sshOptions('gateway.sallyport');
    expect(options.get('port')).toEqual([String(gatewayPort)]);
    expect((await world.alice.ssh([`${one}.sallyport`, 'id -un'])).stdout).toBe('staging\n');
    expect((await world.alice.ssh([`${one}@gateway.sallyport`, 'id -un'])).stdout).toBe('staging\n');
  });

  test('[seeds 41] is reached by the next port where one is blocked, which is remembered for the network', async () => {
    const blocked = await freePort();
    const page = await forwarder({ greeting: 'HTTP/1.1 400 Bad Request\r\n\r\n' });
    const way = await forwarder({ port: gatewayPort });
    const spare = await forwarder({ port: gatewayPort });
    await ports(blocked, page.port, way.port, spare.port);
    const office = { sally: { network: 'office' } };

    const first = await enter(office);
    expect(first).toMatchObject({ code: 0, stdout: 'staging\n' });
    expect(first.stderr).toContain(`127.0.0.1:${blocked} cannot be reached: nothing listens there.`);
    expect(first.stderr).toContain(`something else than sshd answers. Port ${way.port} answers.`);
    expect(config()).toMatch(new RegExp(`HostName 127.0.0.1\n  Port ${way.port}\n`));
    expect((await world.alice.ssh([`${one}.sallyport`, 'id -un'])).stdout).toBe('staging\n');

    // Here it is known now; in another network it is tried again.
    const tries = page.count();
    expect(await enter(office)).toEqual({ code: 0, stdout: 'staging\n', stderr: '' });
    expect(page.count()).toBe(tries);
    expect((await enter({ sally: { network: 'home' } })).stderr).toContain(`Port ${way.port} answers.`);
    expect(page.count()).toBe(tries + 1);

    // A login that is refused is no reason to knock elsewhere.
    await world.change('instances', { target_name: one }, { login: 'nobody-here' });
    const refused = await enter(office).finally(() =>
      world.change('instances', { target_name: one }, { login: 'staging' }),
    );
    expect(refused.code).toBe(255);
    expect(refused.stderr).toContain('Permission denied');
    expect(refused.stderr).not.toContain('Port ');
    expect(spare.count()).toBe(0);

    const checked = await world.sally(['gateway', 'check', '--json'], office);
    expect(checked.code).toBe(0);
    expect(JSON.parse(checked.stdout).map(({ port, open }: Record<string, unknown>) => [port, open])).toEqual(
      [
        [blocked, false],
        [page.port, false],
        [way.port, true],
        [spare.port, true],
      ],
    );

    // The port that has worked is gone: said once, and right from then on.
    await way.close();
    forwarders.splice(forwarders.indexOf(way), 1);
    const gone = await enter(office);
    expect(gone.code).toBe(255);
    expect(gone.stderr).toContain(
      `port ${way.port} of the gateway does not answer any more, ${spare.port} does`,
    );
    expect(await enter(office)).toEqual({ code: 0, stdout: 'staging\n', stderr: '' });

    await ports(blocked, page.port);
    const none = await enter(office);
    expect(none.code).toBe(5);
    expect(none.stderr).toContain('answers on none of its ports');
    const closed = await world.sally(['gateway', 'check'], office);
    expect(closed.code).toBe(5);
    expect(closed.stdout).toContain('nothing listens there');
  });

  test('[seeds 42] is reached through the SOCKS or HTTP proxy of the environment, by sally and by plain ssh', async () => {
    const socks = await forwarder({ port: await stock.startSocks() });
    const proxy = await startConnectProxy('me:p@ss');
    const place = `127.0.0.1:${gatewayPort}`;
    const at = (all: string, none?: string): ProgramOptions => ({
      sally: { proxies: { all, none } },
      environment: { all_proxy: all, ...(none !== undefined && { no_proxy: none }) },
    });
    const plain = (environment: Record<string, string>) =>
      world.alice.ssh([`${one}.sallyport`, 'id -un'], { https_proxy: '', http_proxy: '', ...environment });
    try {
      // Who has no proxy has none in the config.
      expect(config()).not.toContain('ProxyCommand');
      const bySocks = `socks5h://127.0.0.1:${socks.port}`;
      expect(await enter(at(bySocks))).toEqual({ code: 0, stdout: 'staging\n', stderr: '' });
      expect(socks.count()).toBe(1);
      expect(config()).toContain('ProxyCommand');
      expect((await plain({ ALL_PROXY: bySocks })).stdout).toBe('staging\n');
      expect(socks.count()).toBe(2);

      const byHttp = `http://me:p%40ss@127.0.0.1:${proxy.port}`;
      expect(await enter(at(byHttp))).toEqual({ code: 0, stdout: 'staging\n', stderr: '' });
      expect((await plain({ https_proxy: byHttp })).stdout).toBe('staging\n');
      expect(proxy.asked).toEqual([place, place]);

      // Exempt, or in a terminal without the variable: directly.
      expect((await enter(at(byHttp, '10.0.0.0/8,127.0.0.0/8'))).stdout).toBe('staging\n');
      expect((await plain({})).stdout).toBe('staging\n');
      expect(proxy.asked).toHaveLength(2);

      // One for everything is not gone around; one for web pages that carries no ssh is.
      const wrong = await plain({ all_proxy: `http://me:wrong@127.0.0.1:${proxy.port}` });
      expect(wrong.code).toBe(255);
      expect(wrong.stderr).toContain('407');
      expect(wrong.stderr).not.toContain('wrong');
      proxy.refuse(true);
      expect((await plain({ all_proxy: byHttp })).stderr).toContain('403');
      expect((await plain({ http_proxy: byHttp })).stdout).toBe('staging\n');
      expect(socks.count()).toBe(2);
    } finally {
      await proxy.close();
    }
  });

  test('behind a bastion of one’s own is reached with its key, and by a connection that is kept for a time', async () => {
    const { destination, key } = stock;
    const log = () => readFileSync(stock.sshd.logFile, 'utf8').match(/Accepted publickey/g)?.length ?? 0;
    const jump = ['ssh', '--jump', destination, one, ...command];
    const without = await world.sally(jump);
    expect(without.code).toBe(255);
    const before = log();
    const withKey = ['ssh', '--jump', destination, '--gateway-key', key, one, ...command];
    expect(await world.sally(withKey)).toMatchObject({ code: 0, stdout: 'staging\n' });
    expect(log()).toBe(before + 1);
    await world.change('environments', { slug: 'staging' }, { access_mode: 'relay' });
    expect(await world.sally(withKey)).toMatchObject({ code: 0, stdout: 'staging\n' });
    await world.change('environments', { slug: 'staging' }, { access_mode: 'both' });

    const opened = await world.sally(['bastion', 'open', destination, '--gateway-key', key, '--ttl', '20m']);
    expect(opened.code).toBe(0);
    const kept = log();
    expect(await world.sally(jump)).toMatchObject({ code: 0, stdout: 'staging\n' });
    expect(log()).toBe(kept);
    expect((await world.sally(['bastion', 'list'])).stdout).toContain(destination);
    // What ends it after its time, with less of that.
    const [[program = '', ...args] = []] = world.inBackground.splice(0);
    expect(args.slice(0, 4)).toEqual(['-c', expect.anything(), 'sally-bastion', '1200']);
    await runAsync(program, args.with(3, '0'), { HOME: world.alice.machine.home });
    expect((await world.sally(jump)).code).toBe(255);
    expect((await world.sally(['bastion', 'close', destination])).code).toBe(0);
    expect((await world.sally(['bastion', 'list', '--json'])).stdout).toBe('[]\n');
  });

  test('is gone to without the server, where ssh knows the way', async () => {
    const file = world.alice.machine.paths.session;
    const session = readFileSync(file, 'utf8');
    writeFileSync(file, session.replaceAll(world.alice.server, 'http://127.0.0.1:1'));
    try {
      const known = await enter();
      expect(known).toMatchObject({ code: 0, stdout: 'staging\n' });
      expect(known.stderr).toContain('the server does not answer');
      expect((await world.sally(['ssh', 'web', ...command])).code).toBe(5);
    } finally {
      writeFileSync(file, session);
    }
  });
});

describe.skipIf(!hasNames)('sally logs (needs root, sshd, libnss-extrausers)', () => {
  test('follows the journal of the unit until Ctrl-C, and leaves nothing behind at the instance', async () => {
    const nobody = await world.sally(['logs', one]);
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toContain('journal_unit');
    // A journal of its own: the app's environment has a path that begins with a folder in the other login's home.
    const bin = '/srv/home/bin';
    const script = '#!/bin/sh\\necho "journalctl $*"\\nexec sleep 987654\\n';
    const prepared = await world.alice.ssh([
      'shop-production--web.sallyport',
      `chmod 711 . && mkdir -m 755 bin && printf '${script}' >bin/journalctl && chmod 755 bin/journalctl &&
        echo 'PATH=${bin}:/usr/bin:/bin' >bin/environment && chmod 644 bin/environment`,
    ]);
    expect(prepared).toMatchObject({ code: 0, stderr: '' });
    const facts = { journal_unit: 'web@1.service', env_file: `${bin}/environment` };
    await world.change('apps', { slug: 'web' }, facts);
    const follows = world.atTerminal(['logs', one, '-n', '5', '--since', '10 min ago']);
    await follows.says(
      /journalctl --no-pager --quiet --follow --lines=5 --since=10 min ago --unit=web@1.service/,
    );
    const running = () => processesWith('sleep 987654');
    await vi.waitFor(() => expect(running()).not.toEqual([]), { timeout: 20_000 });
    const ended = new Promise((resolve) => follows.process.once('close', resolve));
    follows.type('\u0003');
    expect(await ended).toBe(0);
    expect(follows.stdout()).not.toContain('sally:');
    await vi.waitFor(() => expect(running()).toEqual([]), { timeout: 20_000 });
  });
});
