import { EventEmitter, once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { CompanionState } from '../../src/api/companions.ts';
import { companionState, krlMessage } from '../../src/api/companions.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { SallyportError } from '../../src/errors/sallyport-error.ts';
import { createFeed, type Feed, type FeedParts } from '../../src/feed/feed.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { companionById, createCompanion } from '../../src/inventory/companion.ts';
import { completeEnrolment } from '../../src/inventory/enrolment.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { bumpStateVersion } from '../../src/revocation/state-version.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { verifySshsig } from '../../src/ssh/sshsig.ts';
import { requestFor } from '../ca/sample-authority.ts';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';
import { createShop, type Shop } from '../inventory/shop.ts';

let server: TestServer;
let bob: TestPerson;
let other: Shop;
const opened: Feed[] = [];

beforeAll(async () => {
  server = await startTestServer();
  bob = await server.person('bob', 'contributor');
  await server.person('nobody', null);
  await server.enrol();
  other = await inTransaction(server.database.db, (tx) =>
    createShop(tx, server.clock.now, {
      organization: 'other',
      domain: 'other.example',
      project: 'mine',
      gateway: 'far',
    }),
  );
  await server.enrol(other.gatewayId);
});
afterEach(async () => {
  for (const feed of opened.splice(0)) await feed.close();
});
afterAll(() => server.close());

/** Another replica on the same database. */
async function replica(more: Partial<FeedParts> = {}): Promise<Feed> {
  const { database, authority, publicUrl, clock } = server;
  const onError = (error: unknown) => {
    throw error;
  };
  const feed = await createFeed({ database, authority, publicUrl, clock: () => clock.now, onError, ...more });
  opened.push(feed);
  return feed;
}

/** The companion as its credential shows it now. */
async function machine(companionId: string) {
  const { enrolledAt } = await companionById(server.database.db, companionId);
  if (enrolledAt === null) throw new Error('it is not enrolled');
  return { companionId, enrolledAt };
}

/** States as they arrive. */
function inbox() {
  const states: CompanionState[] = [];
  const waiting: { wanted: (state: CompanionState) => boolean; resolve: (state: CompanionState) => void }[] =
    [];
  const ended = Promise.withResolvers<void>();
  return {
    states,
    ended: ended.promise,
    subscriber: {
      send: (state: CompanionState) => {
        states.push(state);
        for (const { wanted, resolve } of waiting) if (wanted(state)) resolve(state);
      },
      end: () => ended.resolve(),
    },
    first: (wanted: (state: CompanionState) => boolean) =>
      new Promise<CompanionState>((resolve) => {
        const found = states.find(wanted);
        if (found) resolve(found);
        else waiting.push({ wanted, resolve });
      }),
  };
}

const bump = () =>
  inTransaction(server.database.db, (tx) => bumpStateVersion(tx, server.clock.now, { krl: false }));

test('a state holds the facts on the companion’s targets and no others', async () => {
  const state = companionState.parse(await server.feed.stateFor(server.shop.gatewayId));
  expect(state.companion).toEqual({
    id: server.shop.gatewayId,
    name: 'gate',
    kind: 'gateway',
    gateway_login: null,
  });
  expect(state.targets.map(({ targetName }) => targetName)).toEqual(['shop-production--web']);
  expect(state.accounts.map(({ name }) => name)).toEqual([bob.account]);
  expect(state.access_rules).toMatchObject([{ subject: { account: bob.account }, role: 'contributor' }]);
  const foreign = companionState.parse(await server.feed.stateFor(other.gatewayId));
  expect(foreign.targets.map(({ targetName }) => targetName)).toEqual(['mine-production--web']);
  expect(JSON.stringify(foreign)).not.toContain('acme');
  expect(JSON.stringify(foreign)).not.toContain('bob');
});

test('a state carries the revocation list, signed, and a host certificate', async () => {
  const state = companionState.parse(await server.feed.stateFor(server.shop.gatewayId));
  const [authority] = state.user_authorities;
  const data = Buffer.from(state.krl.data, 'base64');
  verifySshsig({
    message: krlMessage(state.krl.version, data),
    namespace: `krl@${server.publicUrl.hostname}`,
    publicKeyBlob: parsePublicKeyLine(authority?.public_key ?? '').blob,
    armored: state.krl.signature,
  });
  expect(parseKrl(data).version).toBe(BigInt(state.krl.version));
  expect(parseCertificateLine(state.host_certificate).principals).toEqual(['gate.sallyport']);
  const again = await server.feed.stateFor(server.shop.gatewayId);
  expect(again.host_certificate).toBe(state.host_certificate);
});

test('hosts hear of the hop CA, gateways do not', async () => {
  const hostId = await inTransaction(server.database.db, (tx) =>
    createCompanion(tx, {
      organizationId: other.organizationId,
      kind: 'host',
      name: 'web-1',
      address: '10.1.2.3',
      port: 22,
      gatewayLogin: null,
      environmentIds: [],
    }),
  );
  await server.enrol(hostId);
  const [hop] = await server.authority.hopAuthorities();
  const atHost = companionState.parse(await server.feed.stateFor(hostId));
  expect(atHost.hop_authorities).toEqual([{ public_key: hop?.publicKeyLine, canary: hop?.canaryLine }]);
  expect(await server.feed.stateFor(server.shop.gatewayId)).not.toHaveProperty('hop_authorities');
});

test('a companion reads a state with members that it does not know', async () => {
  const { krl, ...state } = await server.feed.stateFor(server.shop.gatewayId);
  const newer = { ...state, krl: { ...krl, later: 1 }, later: [{ anything: true }] };
  expect(companionState.parse(newer)).toEqual({ krl, ...state });
});

test('an ended session is in the state with its certificates in the list, at every replica', async () => {
  const carol = await server.person('carol', 'contributor');
  const request = await requestFor(server.authority, carol.sessionId, generateEd25519());
  const { certificate } = await server.authority.issueUserCertificate({
    sessionId: carol.sessionId,
    request,
  });
  const inboxes = [inbox(), inbox()];
  for (const box of inboxes)
    await (await replica()).subscribe(await machine(server.shop.gatewayId), box.subscriber);
  const { version } = await inTransaction(server.database.db, (tx) =>
    endSession(tx, { sessionId: carol.sessionId, reason: 'revoked', by: 'test' }, server.clock.now),
  );
  for (const box of inboxes) {
    const state = await box.first(({ ended_sessions }) => ended_sessions.includes(carol.sessionId));
    expect(BigInt(state.version)).toBeGreaterThanOrEqual(version);
    expect(BigInt(state.krl.version)).toBeGreaterThanOrEqual(version);
    const issued = parseCertificateLine(certificate);
    const ca = parsePublicKeyLine(state.user_authorities[0]?.public_key ?? '').blob;
    expect(isRevoked(parseKrl(Buffer.from(state.krl.data, 'base64')), ca, issued.serial)).toBe(true);
  }
});

test('versions only grow at a subscriber, however many changes come at once', async () => {
  const box = inbox();
  const feed = await replica();
  await feed.subscribe(await machine(server.shop.gatewayId), box.subscriber);
  const versions = await Promise.all(Array.from({ length: 20 }, bump));
  const last = versions.reduce((a, b) => (a > b ? a : b));
  await box.first(({ version }) => BigInt(version) >= last);
  const seen = box.states.map(({ version }) => BigInt(version));
  expect(seen).toEqual([...new Set(seen)].sort((a, b) => (a < b ? -1 : 1)));
});

/** A database whose notifications get lost, come twice, or come late and in another order. */
function unreliable(): { database: FeedParts['database']; deliverLate(): void } {
  let count = 0;
  const late: (() => void)[] = [];
  return {
    database: {
      ...server.database,
      listen: async (channel, onMessage) =>
        await server.database.listen(channel, (payload) => {
          count += 1;
          if (count % 4 === 0) return;
          if (count % 4 === 1) onMessage(payload);
          if (count % 4 !== 3) onMessage(payload);
          late.push(() => onMessage(payload));
        }),
    },
    deliverLate: () => {
      for (const deliver of late.splice(0).reverse()) deliver();
    },
  };
}

test('[abuse 138] notifications that are lost, doubled or out of order: every machine comes to the last version, and never back', async () => {
  const machines = [inbox(), inbox()];
  const { database, deliverLate } = unreliable();
  const feed = await replica({ database, sweepMilliseconds: 20 });
  const deaf = { ...server.database, listen: async () => ({ close: async () => {} }) };
  const silent = await replica({ database: deaf, sweepMilliseconds: 20 });
  for (const [index, each] of [feed, silent].entries()) {
    await each.subscribe(
      await machine(server.shop.gatewayId),
      machines[index]?.subscriber ?? inbox().subscriber,
    );
  }
  let version = 0n;
  for (let round = 0; round < 12; round += 1) {
    version = await bump();
    if (round % 5 === 4) deliverLate();
  }
  for (const box of machines) {
    const last = await box.first((state) => BigInt(state.version) >= version);
    deliverLate();
    const seen = box.states.map((state) => BigInt(state.version));
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => (a < b ? -1 : 1)));
    expect(box.states.at(-1)).toBe(last);
  }
});

test('[abuse 138] an acknowledgement whose notification got lost is known all the same, at the latest when the time is over', async () => {
  const deaf = { ...server.database, listen: async () => ({ close: async () => {} }) };
  const waits = await replica({ database: deaf });
  const version = await bump();
  const state = await server.feed.stateFor(server.shop.gatewayId);
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const waiting = waits.waitForAcknowledgements(server.shop.organizationId, version, 60_000);
  await server.feed.acknowledge(server.shop.gatewayId, {
    version: state.version,
    krl_version: state.krl.version,
    connections_ended: 1,
    problem: null,
  });
  vi.advanceTimersByTime(60_000);
  expect(await waiting).toEqual([{ name: 'gate', kind: 'gateway', acknowledged: true, connectionsEnded: 1 }]);
});

test('a host certificate past the half of its life is replaced though nothing else changed', async () => {
  const box = inbox();
  const feed = await replica({ renewalMilliseconds: 20 });
  await feed.subscribe(await machine(server.shop.gatewayId), box.subscriber);
  const [first] = box.states;
  server.clock.now = new Date(server.clock.now.getTime() + 4 * 86_400_000);
  const renewed = await box.first(({ host_certificate }) => host_certificate !== first?.host_certificate);
  expect(renewed.version).toBe(first?.version);
  expect(parseCertificateLine(renewed.host_certificate).validBefore).toBeGreaterThan(
    parseCertificateLine(first?.host_certificate ?? '').validBefore,
  );
  // Made again many times since, and sent once.
  const version = await bump();
  await box.first((state) => BigInt(state.version) >= version);
  expect(box.states).toHaveLength(3);
});

test('a state that can’t be made is told once and tried again alone, until it can', async () => {
  const [failing, fine] = [inbox(), inbox()];
  const made: string[] = [];
  const makes = new EventEmitter();
  const told: [unknown, string][] = [];
  let isAway = false;
  const feed = await replica({
    sweepMilliseconds: 10,
    onError: (error, companionId) => told.push([error, companionId]),
    authority: {
      ...server.authority,
      hostCertificatesFor: async (companionIds) => {
        made.push(...companionIds);
        for (const id of companionIds) makes.emit(id);
        const found = new Map(await server.authority.hostCertificatesFor(companionIds));
        if (isAway && found.has(other.gatewayId)) {
          found.set(other.gatewayId, { error: new SallyportError('signer_failed', 'Gone.') });
        }
        return found;
      },
    },
  });
  await feed.subscribe(await machine(other.gatewayId), failing.subscriber);
  await feed.subscribe(await machine(server.shop.gatewayId), fine.subscriber);
  isAway = true;
  const version = await bump();
  await fine.first((state) => BigInt(state.version) >= version);
  // The sweep may have asked for everybody once more before the version counted as published.
  for (let tries = 0; tries < 5; tries++) await once(makes, other.gatewayId);
  made.length = 0;
  for (let tries = 0; tries < 5; tries++) await once(makes, other.gatewayId);
  expect(new Set(made)).toEqual(new Set([other.gatewayId]));
  expect(told).toEqual([[expect.objectContaining({ code: 'signer_failed' }), other.gatewayId]]);
  isAway = false;
  await failing.first((state) => BigInt(state.version) >= version);
});

test('who closed a subscription hears no more', async () => {
  const [gone, here] = [inbox(), inbox()];
  const feed = await replica();
  const subscription = await feed.subscribe(await machine(server.shop.gatewayId), gone.subscriber);
  await feed.subscribe(await machine(server.shop.gatewayId), here.subscriber);
  subscription.close();
  const before = gone.states.length;
  const version = await bump();
  await here.first((state) => BigInt(state.version) >= version);
  expect(gone.states).toHaveLength(before);
});

test('a new rule reaches the gateway', async () => {
  const box = inbox();
  await (await replica()).subscribe(await machine(server.shop.gatewayId), box.subscriber);
  const { organizationId, projectId, environmentId } = server.shop;
  await inTransaction(server.database.db, (tx) =>
    createAccessRule(tx, {
      organizationId,
      subject: { group: 'developers' },
      role: 'viewer',
      projectId,
      environmentId,
    }),
  );
  const state = await box.first(({ accounts }) => accounts.some(({ name }) => name === 'alice@example.com'));
  expect(state.accounts.find(({ name }) => name === 'alice@example.com')?.groups).toEqual(['developers']);
});

test('waiting ends when every machine has acknowledged, and at the latest when the time is over', async () => {
  const feed = await replica();
  const version = await bump();
  const late = await feed.waitForAcknowledgements(server.shop.organizationId, version, 1);
  expect(late).toEqual([{ name: 'gate', kind: 'gateway', acknowledged: false, connectionsEnded: 0 }]);

  const state = await feed.stateFor(server.shop.gatewayId);
  const waiting = feed.waitForAcknowledgements(server.shop.organizationId, version, 60_000);
  // Heard by another replica than the one that waits.
  const acknowledgement = {
    version: state.version,
    krl_version: state.krl.version,
    connections_ended: 3,
    problem: null,
  };
  await (await replica()).acknowledge(server.shop.gatewayId, acknowledgement);
  expect(await waiting).toEqual([{ name: 'gate', kind: 'gateway', acknowledged: true, connectionsEnded: 3 }]);
  expect(await feed.waitForAcknowledgements(server.shop.organizationId, version, 60_000)).toEqual(
    await waiting,
  );
});

test('a machine with a problem has not acknowledged', async () => {
  const feed = await replica();
  const version = await bump();
  const state = await feed.stateFor(server.shop.gatewayId);
  const problem = {
    version: state.version,
    krl_version: state.krl.version,
    connections_ended: 0,
    problem: 'disk full',
  };
  await feed.acknowledge(server.shop.gatewayId, problem);
  const [gate] = await feed.waitForAcknowledgements(server.shop.organizationId, version, 1);
  expect(gate?.acknowledged).toBe(false);
});

test('a version that was never given out can’t be acknowledged', async () => {
  const invented = { version: `${10n ** 18n}`, krl_version: '1', connections_ended: 0, problem: null };
  await expect(server.feed.acknowledge(server.shop.gatewayId, invented)).rejects.toMatchObject({
    code: 'request_malformed',
  });
});

test('another machine that enrols in its place cuts the first one off', async () => {
  const [first, second] = [inbox(), inbox()];
  const feed = await replica();
  const before = await machine(other.gatewayId);
  await feed.subscribe(before, first.subscriber);
  const seen = first.states.length;
  server.clock.now = new Date(server.clock.now.getTime() + 1_000);
  await inTransaction(server.database.db, (tx) =>
    completeEnrolment(
      tx,
      other.gatewayId,
      { hostKey: generateEd25519().publicKeyBlob, credentialHash: Buffer.alloc(32, 7) },
      server.clock.now,
    ),
  );
  await first.ended;
  expect(first.states).toHaveLength(seen);
  await feed.subscribe(await machine(other.gatewayId), second.subscriber);
  expect(second.states).toHaveLength(1);
  // Its credential was looked up just before the other one took its place.
  const late = inbox();
  await expect(feed.subscribe(before, late.subscriber)).rejects.toMatchObject({ code: 'token_invalid' });
  expect(late.states).toEqual([]);
});

test('a revoked companion’s subscription ends, and no other one’s', async () => {
  const [revoked, here] = [inbox(), inbox()];
  const feed = await replica();
  await feed.subscribe(await machine(other.gatewayId), revoked.subscriber);
  await feed.subscribe(await machine(server.shop.gatewayId), here.subscriber);
  const seen = here.states.length;
  await inTransaction(server.database.db, (tx) =>
    revokeCompanion(tx, { companionId: other.gatewayId, by: 'test' }, server.clock.now),
  );
  await revoked.ended;
  await here.first((state) => here.states.indexOf(state) >= seen);
  await expect(feed.subscribe(await machine(other.gatewayId), revoked.subscriber)).rejects.toMatchObject({
    code: 'token_invalid',
  });
});
