/** Where the sessions of one connection go on to is known of all of them, also of those that begin at the same moment. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { registerOffer } from '../../src/gateway/admit.ts';
import { answerRoute } from '../../src/gateway/answer-route.ts';
import type { Answering } from '../../src/gateway/answering.ts';
import { Connections } from '../../src/gateway/connections.ts';
import type { Facts } from '../../src/gateway/decide-offer.ts';
import type { Basis } from '../../src/gateway/decision-basis.ts';
import { judgeConnections } from '../../src/gateway/judge-connections.ts';
import type { KnownTarget } from '../../src/gateway/login-names.ts';
import type { Offer } from '../../src/gateway/offered-certificate.ts';
import { readProcess } from '../../src/gateway/proc.ts';
import type { Leg } from '../../src/gateway/relays.ts';
import { alice, web } from './test-world.ts';

const nowSeconds = 1_800_000_000;
const offer = {
  account: alice,
  organization: 'example',
  sessionId: '7b4a5b0e-7f0a-4d8e-9d53-0a1b2c3d4e5f',
  serial: '0',
  authority: '',
  mode: 'interactive',
  amr: [],
  mfa: false,
  mfaBy: null,
  mfaMethods: [],
  mfaTimeSeconds: null,
  roleLimit: null,
  forThisMachine: false,
  source: 'code',
  validBeforeSeconds: nowSeconds + 600,
} as unknown as Offer;
const named = (targetName: string, gatewayUid: number, environment: string): KnownTarget => ({
  ...web,
  targetName,
  gatewayUid,
  environment,
  mfaRequired: false,
  host: 'host',
});
const api = named('shop-production--api', 600_001, 'production');
const site = named('shop-staging--site', 600_002, 'staging');

function factsOf(...environments: string[]): Facts {
  const state = {
    companion: { kind: 'gateway', name: 'gateway', gateway_login: null },
    targets: [api, site],
    services: [],
    registered_keys: [],
    accounts: [{ name: alice, organization: 'example', disabled: false, groups: [] }],
    access_rules: environments.map((environment) => ({
      subject: { account: alice },
      role: 'contributor',
      organization: 'example',
      project: 'shop',
      environment,
      expiresAtSeconds: null,
    })),
  } as unknown as Facts['state'];
  return { state, endedSessions: new Set(), nowSeconds };
}

test('whoever goes on to two targets at once loses the connection with the access to either', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const connections = new Connections(folder);
  const legs: ((leg: Leg) => void)[] = [];
  const basis = { facts: factsOf('production', 'staging') } as Basis;
  const answering = {
    connections,
    relays: { open: () => new Promise<Leg>((resolve) => legs.push(resolve)) },
    log: () => {},
    current: () => basis,
    onStarted: () => {},
  } as unknown as Answering;
  const monitor = readProcess(process.pid);
  if (monitor === undefined) throw new Error('This process is not in /proc.');
  const { ticket = '' } = registerOffer(answering, { monitor, offer, user: 'ssh' }, basis) ?? {};

  const goOn = (asked: string) =>
    answerRoute(answering, new URLSearchParams({ ticket, asked }), new AbortController().signal);
  const both = [goOn(api.targetName), goOn(site.targetName)];
  const leg = { alias: 'a', knownHosts: '/run/known_hosts', agent: '/run/agent', welcome: [] };
  for (const resolve of legs) resolve(leg);
  for (const reply of await Promise.all(both)) expect(reply).toMatch(/^relay\n/);

  const judgedBy = (...environments: string[]) =>
    judgeConnections(connections.all(), {
      facts: factsOf(...environments),
      krl: {} as Parameters<typeof judgeConnections>[1]['krl'],
      activeAtSeconds: new Map(),
    }).map(({ reason }) => reason);
  expect(judgedBy('production', 'staging')).toEqual([]);
  expect(judgedBy('production')).toEqual(['access_denied']);
  expect(judgedBy('staging')).toEqual(['access_denied']);
});
