/**
 * Case 139: a hundred thousand machines come back at once. As many as a test can have do so over real connections, to a
 * server that can hold a third of them; the whole crowd is reckoned with the companion's own pauses.
 */
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { comeBackLater } from '../../src/database/gather.ts';
import { BackOff, longestRefusedMilliseconds } from '../../src/gateway/back-off.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { requestFor } from '../ca/sample-authority.ts';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';
import { enrolMany, type ManyMachines } from './many-machines.ts';
import { type Refused, type SimulatedMachine, simulateMachine } from './simulated-machine.ts';

const machines = 600;
const room = 250;

let server: TestServer;
let alice: TestPerson;
let many: ManyMachines;
let origin: string;
beforeAll(async () => {
  server = await startTestServer({ mostSubscriptions: room });
  alice = await server.person('alice-of-storms', 'contributor');
  many = await enrolMany(server.database.db, server.shop, { count: machines, now: server.clock.now });
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  origin = `http://127.0.0.1:${(server.app.server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

/** One certificate over a connection of its own. */
async function issue(): Promise<number> {
  const body = JSON.stringify(await requestFor(server.authority, alice.sessionId, generateEd25519()));
  const call = request(`${origin}/v1/certificates`, {
    method: 'POST',
    agent: false,
    headers: {
      host: server.publicUrl.host,
      authorization: `DPoP ${alice.sessionId}`,
      dpop: 'proof',
      'content-type': 'application/json',
    },
  });
  return await new Promise((resolve, reject) => {
    call.once('error', reject).once('response', (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    call.end(body);
  });
}

async function storm(credentials: readonly string[]) {
  const surroundings = { origin, host: server.publicUrl.host };
  const came = await Promise.all(credentials.map((credential) => simulateMachine(credential, surroundings)));
  const accepted = came.filter((one): one is SimulatedMachine => 'ended' in one);
  const refused = came.filter((one): one is Refused => !('ended' in one));
  const left = credentials.filter((_, place) => !('ended' in (came[place] ?? {})));
  return { accepted, refused, left };
}

test('[abuse 139] who does not fit in is asked to come back at a time of its own, gets in when there is room, and certificates are issued all the while', async () => {
  const issued: number[] = [];
  const isOver = { yet: false };
  const issuing = (async () => {
    while (!isOver.yet) issued.push(await issue());
  })();
  let waiting: readonly string[] = many.credentials;
  const retries: (number | null)[] = [];
  let rounds = 0;
  while (waiting.length > 0) {
    rounds += 1;
    const { accepted, refused, left } = await storm(waiting);
    expect(accepted.length).toBeLessThanOrEqual(room);
    expect(accepted.length).toBeGreaterThan(0);
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set(left.length > 0 ? [503] : []));
    retries.push(...refused.map(({ retryAfter }) => retryAfter));
    for (const machine of accepted) machine.close();
    await Promise.all(accepted.map(({ ended }) => ended));
    await noSubscriptions();
    waiting = left;
  }
  isOver.yet = true;
  await issuing;
  expect(rounds).toBeGreaterThan(1);
  expect(retries.every((seconds) => seconds !== null && seconds >= 30 && seconds <= 120)).toBe(true);
  expect(new Set(retries).size).toBeGreaterThan(50);
  expect(issued.length).toBeGreaterThan(5);
  expect(new Set(issued)).toEqual(new Set([200]));
});

/** The server has noticed that everybody is gone. */
async function noSubscriptions(): Promise<void> {
  while (server.feed.subscriptions > 0) await new Promise((resolve) => setImmediate(resolve));
}

/** What one server takes, and how many it lets wait: less than it does on two processors. */
const opensPerSecond = 400;
const queue = 2_000;
const servers = 10;
const crowd = 100_000;

interface Reckoned {
  /** Tries at all servers together, by second. */
  readonly tries: readonly number[];
  readonly refusals: number;
  readonly lastConnectedSecond: number;
}

/** All of them lose their servers at the same moment; the servers are back at once. */
function reckon(returnWithin: number): Reckoned {
  const groups = new Map<number, BackOff[]>();
  const comesAt = (backOff: BackOff, fromSecond: number) => {
    const second = Math.floor(fromSecond + backOff.next(Math.random()) / 1000);
    const group = groups.get(second);
    if (group) group.push(backOff);
    else groups.set(second, [backOff]);
  };
  for (let machine = 0; machine < crowd; machine += 1) {
    const backOff = new BackOff();
    backOff.returnWithin(returnWithin);
    backOff.opened();
    comesAt(backOff, 0);
  }
  const tries: number[] = [];
  let [waiting, connected, refusals, second] = [0, 0, 0, 0];
  for (; connected < crowd; second += 1) {
    const coming = groups.get(second) ?? [];
    groups.delete(second);
    tries.push(coming.length);
    const taken = Math.min(coming.length, queue * servers - waiting);
    waiting += taken;
    for (const backOff of coming.slice(taken)) {
      refusals += 1;
      const { retry_after } = comeBackLater().members;
      backOff.refused(Number(retry_after));
      comesAt(backOff, second);
    }
    const served = Math.min(waiting, opensPerSecond * servers);
    waiting -= served;
    connected += served;
  }
  return { tries, refusals, lastConnectedSecond: second };
}

test('[abuse 139] a hundred thousand machines of ten servers that know their number come back without a refusal, within a minute', () => {
  // What each of ten servers with 10,000 streams says.
  const { tries, refusals, lastConnectedSecond } = reckon(40_000);
  expect(Math.max(...tries)).toBeLessThan(3_000);
  expect(refusals).toBe(0);
  expect(lastConnectedSecond).toBeLessThan(60);
});

test('[abuse 139] and where all of them come in the same quarter of a second, each is back long before the longest pause', () => {
  const { tries, refusals, lastConnectedSecond } = reckon(0);
  expect(tries[0]).toBe(crowd);
  expect(refusals).toBeGreaterThan(crowd / 2);
  // The second wave is spread over minutes.
  expect(Math.max(...tries.slice(1))).toBeLessThan(crowd / 50);
  expect(lastConnectedSecond).toBeLessThan(longestRefusedMilliseconds / 1000);
});
