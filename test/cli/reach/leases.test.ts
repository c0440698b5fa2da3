/** `sally ssh` where the gateway's firewall is opened on request: with the demo's gateway, real sshd and ssh. */
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canGenerateNames } from '../../../src/dev/local-sshd-namespace.ts';
import { freePort, until } from '../../gateway/ssh-client.ts';
import { ReachWorld } from './reach-world.ts';

const hasNames = canGenerateNames();
const one = 'shop-staging--web--one';
let world: ReachWorld;
let firewall: Server | undefined;
beforeAll(async () => {
  if (hasNames) world = await ReachWorld.open();
});
afterAll(async () => {
  firewall?.close();
  await world?.close();
});

const leases = () => world.db.selectFrom('leases').select(['network', 'port', 'expires_at']).execute();
const enter = () => world.sally(['ssh', one, '--', 'id -un']);

describe.skipIf(!hasNames)('sally ssh (needs root, sshd, libnss-extrausers)', () => {
  test('[seeds 45] asks for a lease by itself, waits until the gateway answers, and goes in', async () => {
    const gatewayPort = world.demo.dev.ports.gateway;
    const closed = await freePort();
    await world.change('companions', { name: 'gateway' }, { port: closed, lease_max_seconds: 600 });
    const entering = enter();
    await until(async () => (await leases()).length > 0, 'a lease');
    firewall = createServer((socket) => {
      const way = connect(gatewayPort, '127.0.0.1');
      socket.on('error', () => way.destroy());
      way.on('error', () => socket.destroy());
      socket.pipe(way).pipe(socket);
    }).listen(closed, '127.0.0.1');
    await once(firewall, 'listening');
    expect(await entering).toMatchObject({ code: 0, stdout: 'staging\n' });
    expect(await leases()).toEqual([{ network: '127.0.0.1', port: closed, expires_at: expect.any(Date) }]);
    // The next one extends it.
    await enter();
    expect(await leases()).toHaveLength(1);
  });

  test('asks for none where the gateway gives none', async () => {
    await world.db.deleteFrom('leases').execute();
    await world.change('companions', { name: 'gateway' }, { lease_max_seconds: null });
    expect(await enter()).toMatchObject({ code: 0, stdout: 'staging\n' });
    expect(await leases()).toEqual([]);
  });
});
