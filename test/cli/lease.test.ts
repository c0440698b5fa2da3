import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Person } from './person.ts';
import { account, ServerDouble } from './server-double.ts';

let server: ServerDouble;
let alice: Person;
let sshd: Server;
let greeted = 0;
let port = 0;
beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  await alice.login(server.url);
  greeted = 0;
  sshd = createServer((socket) => {
    greeted += 1;
    socket.on('error', () => {}).end('SSH-2.0-test\r\n');
  });
  await new Promise<void>((resolve) => sshd.listen(0, '127.0.0.1', resolve));
  port = (sshd.address() as { port: number }).port;
  server.answers['POST /v1/leases'] = { leases: [lease()] };
  server.answers['GET /v1/leases'] = { leases: [lease()], seen: [] };
});
afterEach(async () => {
  await server.stop();
  await new Promise((resolve) => sshd.close(resolve));
  alice.remove();
});

const now = Math.floor(Date.now() / 1000);
const lease = (change: object = {}) => ({
  id: '0190b3c4-aaaa-7bbb-8ccc-0000000000aa',
  account,
  machine: 'gate',
  kind: 'gateway',
  address: '127.0.0.1',
  port,
  network: '203.0.113.5',
  created_at: now,
  expires_at: now + 1_200,
  ...change,
});
const asked = () => server.bodies.filter((body) => body.includes('machine')).map((body) => JSON.parse(body));

describe('sally lease', () => {
  test('[seeds 45] asks for this machine’s address and waits until sshd answers', async () => {
    const { code, stdout } = await alice.sally(['lease', 'gate']);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^gate is open at port \d+ for 203\.0\.113\.5, until in /),
    ]);
    expect(asked()).toEqual([{ machine: 'gate', ttl_seconds: 1_200 }]);
    expect(greeted).toBe(1);
  });

  test('shows nothing for an address that is none', async () => {
    const hostile = '203.0.113.5\u001b]0;title\u0007\u001b[2J';
    server.answers['POST /v1/leases'] = { leases: [lease({ network: hostile })] };
    server.answers['GET /v1/leases'] = { leases: [lease({ network: hostile })], seen: [] };
    for (const argv of [
      ['lease', 'gate', '--no-wait'],
      ['lease', 'list'],
    ]) {
      const { code, stdout, stderr } = await alice.sally(argv);
      expect(code).not.toBe(0);
      expect(stdout + stderr).not.toContain('\u001b]');
      expect(stdout + stderr).not.toContain('\u001b[2J');
    }
  });

  test('[seeds 45] takes an address or a network, a port and a time of at most 240 minutes', async () => {
    const argv = ['lease', 'gate', '--from', '198.51.100.0/24', '--port', '443', '--ttl', '2h', '--no-wait'];
    expect((await alice.sally(argv)).code).toBe(0);
    expect(asked()).toEqual([{ machine: 'gate', network: '198.51.100.0/24', port: 443, ttl_seconds: 7_200 }]);
    const tooLong = await alice.sally(['lease', 'gate', '--ttl', '241m']);
    expect([tooLong.code, tooLong.stderr]).toEqual([2, expect.stringContaining('a time from 1m to 240m.')]);
    expect(greeted).toBe(0);
  });

  test('waits for a firewall that takes its time, and says so where it never opens', async () => {
    await new Promise((resolve) => sshd.close(resolve));
    let pauses = 0;
    const opened = await alice.sally(['lease', 'gate'], {
      wait: async () => {
        pauses += 1;
        if (pauses === 3) await new Promise<void>((resolve) => sshd.listen(port, '127.0.0.1', resolve));
      },
    });
    expect([opened.code, pauses]).toEqual([0, 3]);
    await new Promise((resolve) => sshd.close(resolve));
    const { code, stderr } = await alice.sally(['lease', 'gate']);
    expect([code, stderr]).toEqual([5, expect.stringContaining('--from ADDRESS')]);
    await new Promise<void>((resolve) => sshd.listen(port, '127.0.0.1', resolve));
  });

  test('[seeds 45] --keep renews it, and opens for where the machine sees one come from', async () => {
    server.answers['GET /v1/leases'] = {
      leases: [lease()],
      seen: [
        { machine: 'gate', address: '203.0.113.5' },
        { machine: 'gate', address: '198.51.100.9' },
        { machine: 'elsewhere', address: '192.0.2.1' },
      ],
    };
    const pauses: number[] = [];
    const interrupted = new Error('Ctrl-C');
    await alice.sally(['lease', 'gate', '--keep'], {
      wait: async (milliseconds) => {
        pauses.push(milliseconds);
        if (pauses.length === 2) throw interrupted;
      },
    });
    expect(pauses).toEqual([60_000, 60_000]);
    expect(asked().map(({ network }) => network)).toEqual([undefined, undefined, '198.51.100.9']);
  });

  test('list and end', async () => {
    expect((await alice.sally(['lease', 'list'])).stdout).toContain('203.0.113.5');
    server.answers[`POST /v1/leases/${lease().id}/end`] = { id: lease().id, version: '7' };
    const ended = await alice.sally(['lease', 'end', 'gate']);
    expect([ended.code, ended.stdout]).toEqual([0, 'gate is closed for 203.0.113.5 again.\n']);
    expect((await alice.sally(['lease', 'end', 'other'])).code).toBe(1);
  });
});
