import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createCompanion } from '../../src/gateway/companion.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, type Person, type RunningSsh, runSsh, startSsh } from './ssh-client.ts';
import { domain, type HopCertificateOptions, nowSeconds } from './test-authority.ts';
import { alice, appLogin, carol, hasNames, mallory, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
const { authority } = world;
let host: { machine: LocalMachine; port: number };
let gateway: { machine: LocalMachine; port: number };
/** How far the host's companion is ahead of sshd's clock. */
let aheadSeconds = 0;
let started: RunningSsh[] = [];

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  authority.hopCa = generateEd25519();
  host = await world.startMachine('host', { clock: () => new Date(Date.now() + aheadSeconds * 1_000) });
  gateway = await world.startMachine('gateway');
  await install({ ...web, port: host.port });
});
afterEach(() => {
  aheadSeconds = 0;
  for (const { child } of started) child.kill('SIGKILL');
  started = [];
});
afterAll(() => world.close());

/** Resolves when both machines have it. */
async function install(target: typeof web, { krl = false } = {}): Promise<void> {
  authority.targets = [target];
  authority.acknowledgements.length = 0;
  const version = authority.push({ krl });
  await authority.waitForAcknowledgement(
    () => authority.acknowledgements.filter((found) => found.version === version).length > 1,
  );
}

type Hop = Partial<HopCertificateOptions> & { readonly account?: string };

async function hop({ account = alice, ...options }: Hop = {}): Promise<Person> {
  return await createPerson(
    authority,
    world.folder,
    account,
    {},
    { certify: (about) => authority.hopCertificate({ ...about, ...options }) },
  );
}

const toHost = (...command: string[]) => ['-p', String(host.port), `${appLogin}@127.0.0.1`, ...command];

async function getsIn(person: Person, args: readonly string[] = toHost('echo', 'in')): Promise<boolean> {
  const { status, stdout, stderr } = await runSsh(person, args);
  if (status !== 0 && !stderr.includes('Permission denied')) throw new Error(stderr);
  return stdout === 'in\n';
}

/** Starts a loop at the host, and resolves when the CA has heard of it. */
async function openLoop(person: Person): Promise<RunningSsh> {
  const running = startSsh(person, toHost('while date; do sleep 0.2; done'));
  started.push(running);
  await running.waitForOutput(/\d/);
  const { connections } = await authority.waitForReport((report) =>
    report.connections.some(({ session_id }) => session_id === person.sessionId),
  );
  expect(connections.find(({ session_id }) => session_id === person.sessionId)).toMatchObject({
    account: alice,
    serial: `${person.serial}`,
    target: web.targetName,
  });
  return running;
}

async function waitForEnd(version: string): Promise<void> {
  await authority.waitForAcknowledgement((found) => found.version === version && found.connections_ended > 0);
}

describe.skipIf(!hasNames)('a hop certificate (needs root, sshd, curl, libnss-extrausers)', () => {
  test('lets in at its host, though the environment wants MFA of 15 minutes and the login is a day old', async () => {
    expect(await getsIn(await hop())).toBe(true);
    // The same login with a certificate of its own.
    const options = { authTimeSeconds: nowSeconds() - 86_400 };
    const person = await createPerson(authority, world.folder, alice, options);
    const { stdout, stderr } = await runSsh(person, toHost('echo', 'in'));
    expect([stdout, stderr]).toEqual(['', expect.stringContaining('a second factor of the last 15 minutes')]);
  });

  test('permits no forwarding', async () => {
    const forwarding = ['-o', 'ExitOnForwardFailure=yes', '-W', `127.0.0.1:${host.port}`];
    const { status, stdout } = await runSsh(await hop(), [...forwarding, ...toHost()]);
    expect([status, stdout]).toEqual([255, '']);
  });

  const userCa = () => authority.userCa;
  const aMinute = () => nowSeconds() + 60;
  const mfa = { name: `mfa@${domain}`, value: '{"v":1,"methods":["otp"],"by":"http://127.0.0.1:8421"}' };
  test.each<[string, () => Hop, RegExp | undefined]>([
    ['for another host', () => ({ principals: ['hop:other'] }), /is for another host/],
    ['for two hosts', () => ({ principals: ['hop:host', 'hop:other'] }), /is for another host/],
    ['with the account beside the host', () => ({ principals: ['hop:host', alice] }), /is for another host/],
    ['for the account alone', () => ({ principals: [alice] }), /is for another host/],
    ['that is over', () => ({ validBeforeSeconds: nowSeconds() - 1 }), /has expired/],
    ['for an hour', () => ({ validBeforeSeconds: nowSeconds() + 3_600 }), /is a hop for too long/],
    ['that no address binds', () => ({ criticalOptions: [] }), /not bound to the address/],
    ['with MFA in it', () => ({ extensions: [mfa] }), /speaks of MFA/],
    [
      'that says that a person uses it',
      () => ({ claims: { mode: 'interactive', act: undefined } }),
      /does not say that it is a hop/,
    ],
    ['without the name of a gateway', () => ({ claims: { act: undefined } }), /can't be read/],
    [
      'for a stranger',
      () => ({ account: mallory, claims: { org: 'other' } }),
      /nothing here that the account/,
    ],
    ['that the user CA signed', () => ({ ca: userCa() }), /does not hold its account among its principals/],
    [
      'that the user CA signed, with the account too',
      () => ({ ca: userCa(), principals: ['hop:host', alice] }),
      /says that it is a hop, and no hop CA signed it/,
    ],
    [
      'that the user CA signed as a person’s',
      () => ({ ca: userCa(), claims: { mode: 'interactive', act: undefined } }),
      /does not hold its account among its principals/,
    ],
    ['that nobody known signed', () => ({ ca: generateEd25519() }), undefined],
    [
      'bound to another address',
      () => ({
        criticalOptions: [{ name: 'source-address', value: '127.0.0.9' }],
        validBeforeSeconds: aMinute(),
      }),
      undefined,
    ],
  ])('%s lets nobody in', async (_what, options, denied) => {
    world.logged.length = 0;
    expect(await getsIn(await hop(options()))).toBe(false);
    const reasons = world.logged.filter(({ event }) => event === 'offer.denied');
    // Without a word from the companion it was sshd that refused, before it asked or after a good answer.
    expect(reasons.map(({ message }) => message)).toEqual(denied ? [expect.stringMatching(denied)] : []);
  });

  test('lets in from the address of its gateway and from no other', async () => {
    const person = await hop({ criticalOptions: [{ name: 'source-address', value: '127.0.0.9' }] });
    const from = (address: string) => getsIn(person, ['-b', address, ...toHost('echo', 'in')]);
    expect([await from('127.0.0.9'), await from('127.0.0.8')]).toEqual([true, false]);
  });

  test('lets nobody in when its minute is over', async () => {
    const person = await hop();
    aheadSeconds = 30;
    expect(await getsIn(person)).toBe(true);
    aheadSeconds = 61;
    expect(await getsIn(person)).toBe(false);
  });

  test('lets in only as the login of a target that the account may reach', async () => {
    const person = await hop();
    const asRoot = ['-p', String(host.port), 'root@127.0.0.1', 'echo', 'in'];
    expect(await getsIn(person, asRoot)).toBe(false);
    expect(await getsIn(person)).toBe(true);
  });

  test('lets nobody in at a gateway, as whomever', async () => {
    for (const user of [web.targetName, appLogin, alice]) {
      const { status, stderr } = await runSsh(await hop({ principals: ['hop:gateway'] }), [
        '-p',
        String(gateway.port),
        '-l',
        user,
        '127.0.0.1',
        'true',
      ]);
      expect([status, stderr]).toEqual([255, expect.stringContaining('Permission denied')]);
    }
    const line = await readFile(gateway.machine.paths.userAuthorities, 'utf8');
    expect(line.trim().split('\n')).toHaveLength(1);
  });

  test('lets nobody in once it is on the list, in the section of its own CA', async () => {
    const [person, other] = [await hop(), await hop()];
    authority.revoked.push(other.serial);
    authority.revokedHops.push(person.serial);
    await install({ ...web, port: host.port }, { krl: true });
    expect([await getsIn(person), await getsIn(other)]).toEqual([false, true]);
  });

  test('is a connection of its session: ending that ends it, and keeps others of it out', async () => {
    const person = await hop();
    const running = await openLoop(person);
    authority.endedSessions.push(person.sessionId);
    await waitForEnd(authority.push());
    expect((await running.ended).status).not.toBe(0);
    expect(await getsIn(await hop({ sessionId: person.sessionId }))).toBe(false);
  });

  test('goes on when its minute is over, and ends when the environment takes jumps only', async () => {
    const running = await openLoop(await hop());
    aheadSeconds = 3_600;
    await install({ ...web, port: host.port });
    expect(running.child.exitCode).toBe(null);
    aheadSeconds = 0;

    authority.targets = [{ ...web, port: host.port, accessMode: 'jump' }];
    await waitForEnd(authority.push());
    expect((await running.ended).status).not.toBe(0);
    const { stderr } = await runSsh(await hop(), toHost('echo', 'in'));
    expect(stderr).toContain('lets nobody through a gateway that sees the session');
    await install({ ...web, port: host.port });
    expect(await getsIn(await hop())).toBe(true);
  });

  test('ends, or is refused, when the account has no role any more', async () => {
    const rules = authority.rules;
    const running = await openLoop(await hop());
    authority.rules = rules.filter(({ subject }) => 'account' in subject && subject.account !== alice);
    try {
      await waitForEnd(authority.push());
      expect((await running.ended).status).not.toBe(0);
      expect(await getsIn(await hop())).toBe(false);
      expect(await getsIn(await hop({ account: carol }))).toBe(true);
    } finally {
      authority.rules = rules;
      await install({ ...web, port: host.port });
    }
  });

  test('is known as one to the companion that comes after this one', async () => {
    const person = await hop();
    const running = await openLoop(person);
    const { connections } = host.machine.paths;
    const files = await Promise.all(
      (await readdir(connections)).map((name) => readFile(join(connections, name), 'utf8')),
    );
    const [known] = files
      .map((text) => JSON.parse(text).offer)
      .filter(({ serial }) => serial === `${person.serial}`);
    expect(known).toMatchObject({ mode: 'hop', mfa: false, sessionId: person.sessionId });

    await host.machine.companion.stop();
    const next = createCompanion(host.machine.companionOptions);
    await next.start();
    try {
      await install({ ...web, port: host.port });
      // Judged by the next one without MFA, as by the first.
      expect(running.child.exitCode).toBe(null);
      authority.endedSessions.push(person.sessionId);
      await waitForEnd(authority.push());
      expect((await running.ended).status).not.toBe(0);
    } finally {
      await next.stop();
    }
  });
});
