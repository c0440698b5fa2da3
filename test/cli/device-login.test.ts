import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Person } from './person.ts';
import { account, ServerDouble } from './server-double.ts';

let server: ServerDouble;
let alice: Person;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
});
afterEach(async () => {
  await server.stop();
  alice.remove();
  expect(server.failures).toEqual([]);
});

/** Runs the login, and notes for how long it waits before each poll. */
async function byCode(now?: () => Date) {
  const waits: number[] = [];
  const result = await alice.sally(['login', '--device', '--server', server.url], {
    wait: async (milliseconds) => void waits.push(milliseconds),
    openBrowser: async () => expect.unreachable('a login by code opens no browser'),
    ...(now && { now }),
  });
  return { ...result, waits };
}

describe('sally login --device (RFC 8628)', () => {
  test('shows address and code, and ends like any login', async () => {
    server.devicePolls = ['authorization_pending', 'authorization_pending'];
    const { code, stdout, stderr, waits } = await byCode();
    expect(code).toBe(0);
    expect(stderr).toContain(`${server.url}/device\n`);
    expect(stderr).toContain('BCDF-GHJK');
    // What the page shows is the thumbprint by which the server binds the code (RFC 7638).
    expect(stderr).toContain(`\n  ${server.deviceKey}\n`);
    expect(stdout).toContain(`Logged in as ${account}`);
    expect(waits).toEqual([5000, 5000, 5000]);
    expect(alice.identity()).toContain('id_ed25519');
  });

  test('asks less often for good when it is told to slow down', async () => {
    server.devicePolls = ['slow_down', 'authorization_pending', 'slow_down'];
    const { code, waits } = await byCode();
    expect(code).toBe(0);
    expect(waits).toEqual([5000, 10_000, 10_000, 15_000]);
  });

  test('says that it was refused on the page', async () => {
    server.devicePolls = ['authorization_pending', 'access_denied'];
    const { code, stderr } = await byCode();
    expect(code).toBe(4);
    expect(stderr).toContain('sally: The login was refused on the page. Nothing was kept.\n');
    expect(alice.has(alice.paths.session)).toBe(false);
  });

  test('says that the code is over', async () => {
    server.devicePolls = ['expired_token'];
    const { code, stderr } = await byCode();
    expect(code).toBe(4);
    expect(stderr).toContain('Nobody approved the code in time. For a new one: sally login --device');
  });

  test('stops by itself when the time of the code is over', async () => {
    server.devicePolls = Array.from({ length: 1000 }, () => 'authorization_pending');
    let seconds = Math.floor(Date.now() / 1000);
    const { code, waits } = await byCode(() => {
      seconds += 2;
      return new Date(seconds * 1000);
    });
    expect(code).toBe(4);
    expect(waits.length).toBeLessThan(200);
  });

  test('goes on after an outage between two polls', async () => {
    server.devicePolls = ['temporarily_unavailable'];
    server.faults.loseReplyOf = '/oauth/token';
    const { code, waits } = await byCode();
    expect(code).toBe(0);
    expect(waits).toEqual([5000, 10_000]);
  });

  test('says where the server has it switched off, and what else there is', async () => {
    server.faults.refuseDevice = 'logins by device code are switched off here, run: sally login';
    const { code, stderr } = await byCode();
    expect(code).toBe(4);
    expect(stderr).toContain('logins by device code are switched off here');
  });

  test('[seeds 1] is what a login falls back to where no browser can open and nobody is at a terminal', async () => {
    const { code, stderr } = await alice.sally(['login', '--server', server.url], {
      environment: { headless: true },
    });
    expect(code).toBe(0);
    expect(stderr).toContain('BCDF-GHJK');
    expect(server.issued).toBe(1);
  });

  test('[seeds 1] or to the address, where the server gives no codes', async () => {
    server.faults.refuseDevice = 'logins by device code are switched off here, run: sally login';
    let opened = '';
    const { code } = await alice.sally(['login', '--server', server.url], {
      environment: { headless: true },
      onStderr: (text) => {
        const [address = ''] = /http:\S+\/auth\?\S+/.exec(text) ?? [];
        if (address !== '' && opened === '') void fetch(address).catch(() => {});
        opened ||= address;
      },
    });
    expect(code).toBe(0);
    expect(server.issued).toBe(1);
  });

  test('[seeds 1] is one word away where a person is asked to paste an address', async () => {
    const { code, stderr } = await alice.sally(['login', '--server', server.url], {
      environment: { headless: true },
      ask: async () => 'code',
    });
    expect(code).toBe(0);
    expect(stderr).toContain('confirm a short code instead: type the word code.');
    expect(stderr).toContain('BCDF-GHJK');
    expect(server.issued).toBe(1);
  });

  test('sends nobody to a page that is not of the server', async () => {
    server.faults.verificationUri = 'https://evil.example/device';
    const { code, stderr } = await byCode();
    expect(code).toBe(1);
    expect(stderr).toContain('not a page of its own');
    expect(stderr).not.toContain('BCDF-GHJK');
  });

  test('shows what the server calls a code as text', async () => {
    server.faults.userCode = 'AB\u001b[2JCD';
    const { stderr } = await byCode();
    expect(stderr).toContain('AB\\u{1b}[2JCD');
  });
});
