/** What is permitted beside the sessions of a connection, and when it must be given back. */
import { expect, test } from 'vitest';
import type { CompanionState } from '../../src/api/companions.ts';
import type { Connection } from '../../src/gateway/connection-file.ts';
import type { Facts } from '../../src/gateway/decide-offer.ts';
import type { KnownTarget } from '../../src/gateway/login-names.ts';
import type { Offer } from '../../src/gateway/offered-certificate.ts';
import { grantedBy, isWithdrawn, openedAmong, permitsFor } from '../../src/gateway/permits.ts';
import { alice, web } from './test-world.ts';

const offer = { account: alice, organization: 'example', mode: 'interactive', roleLimit: null } as Offer;
const everything = { local: true, remote: true, agent: true };
const nothing = { local: false, remote: false, agent: false };
const target: KnownTarget = { ...web, address: '10.0.0.1', port: 22, host: 'host', forwarding: everything };
const service = {
  organization: 'example',
  project: 'shop',
  environment: 'production',
  name: 'db',
  kind: 'postgresql',
  address: '10.0.0.5',
  port: 5432,
  role: 'contributor',
} as const;

interface Situation {
  readonly targets?: readonly KnownTarget[];
  readonly services?: CompanionState['services'];
  readonly kind?: 'gateway' | 'host';
}

function factsOf({ targets = [target], services = [service], kind = 'gateway' }: Situation = {}): Facts {
  const state = {
    companion: { kind },
    targets: [...targets],
    services,
    accounts: [{ name: alice, organization: 'example', disabled: false, groups: [] }],
    access_rules: [
      {
        subject: { account: alice },
        role: 'contributor',
        organization: 'example',
        project: null,
        environment: null,
        expiresAtSeconds: null,
      },
    ],
  } as unknown as CompanionState;
  return { state, endedSessions: new Set(), nowSeconds: 1_800_000_000 };
}

const given = (targets: readonly KnownTarget[], about: Offer, situation: Situation = {}) =>
  grantedBy(permitsFor(targets, about, factsOf({ targets, ...situation })));

test('a gateway opens the target to jumps, and the services of its environment', () => {
  expect(given([target], offer)).toEqual({
    opens: ['10.0.0.1:22', '10.0.0.5:5432'],
    listens: true,
    agent: true,
  });
  expect(given([{ ...target, forwarding: nothing }], offer)).toEqual({
    opens: ['10.0.0.1:22'],
    listens: false,
    agent: false,
  });
});

test('a target that is for relayed connections only is not opened to jumps', () => {
  expect(given([{ ...target, accessMode: 'relay' }], offer).opens).toEqual(['10.0.0.5:5432']);
});

const ownNames = [
  'localhost',
  'x.localhost',
  'LocalHost',
  'localhost.localdomain',
  'ip6-localhost',
  'ip6-loopback',
];
const ownIpv4 = [
  '127.0.0.1',
  '127.9.9.9',
  '127.1',
  '0.0.0.0',
  '0',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '0177.0.0.1',
];
const ownIpv6 = [
  '::1',
  '::',
  '0:0:0:0:0:0:0:1',
  '0::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::FFFF:0:0',
  '::127.0.0.1',
];

test.each([...ownNames, ...ownIpv4, ...ownIpv6])(
  'a service or a target at %s, which would be the gateway’s own, is not opened',
  (address) => {
    expect(given([target], offer, { services: [{ ...service, address }] }).opens).toEqual(['10.0.0.1:22']);
    expect(given([{ ...target, address }], offer, { services: [] }).opens).toEqual([]);
  },
);

test('a target of the gateway’s own is opened where everything runs on one machine', () => {
  const facts = { state: { companion: { kind: 'gateway' } }, opensLoopback: true } as Facts;
  expect(openedAmong([{ ...target, address: '127.0.0.1' }], facts)).toHaveLength(1);
});

test.each([
  '10.0.0.5',
  '1.127.0.1',
  'db.localhost.example',
  '2001:db8::1',
  '::ffff:10.0.0.5',
  'db-127.example',
])('a service at %s, which is another machine’s, is opened', (address) => {
  const opens = ['10.0.0.1:22', address.includes(':') ? `[${address}]:5432` : `${address}:5432`];
  expect(given([target], offer, { services: [{ ...service, address }] }).opens).toEqual(opens);
});

test.each<[string, readonly KnownTarget[]]>([
  ['a target that has no enrolled host', [{ ...target, host: null }]],
  ['a target that takes jumps only', [{ ...target, accessMode: 'jump' }]],
  ['several targets', [target, { ...target, targetName: 'shop-production--api' }]],
])('nothing listens for %s, and no agent goes along', (_what, targets) => {
  expect(given(targets, offer)).toMatchObject({ listens: false, agent: false });
});

test('a host opens no way out to a gateway, and to a person what the certificate says', () => {
  const host = { kind: 'host' } as const;
  expect(given([target], offer, host)).toEqual({ opens: 'anywhere', listens: true, agent: true });
  const hop = { ...offer, mode: 'hop' } as Offer;
  expect(given([target], hop, host)).toEqual({ opens: [], listens: true, agent: true });
  const closed = { ...target, forwarding: nothing };
  expect(given([closed], offer, host)).toEqual({ opens: [], listens: false, agent: false });
});

function connectionOn(way: Connection['way'], situation: Situation = {}): Connection {
  const { targetName: name, address, port } = target;
  const granted = given([target], offer, situation);
  return { offer, permitted: [{ name, address, port }], way, granted } as Connection;
}

test.each(['jump', 'relay', null] as const)('a connection (%s) keeps what it would be given again', (way) => {
  expect(isWithdrawn(connectionOn(way), factsOf())).toBe(false);
});

test.each<[string, Connection['way'], Situation]>([
  ['a jump whose target takes relayed ones only', 'jump', { targets: [{ ...target, accessMode: 'relay' }] }],
  ['a relayed one whose target takes jumps only', 'relay', { targets: [{ ...target, accessMode: 'jump' }] }],
  ['a relayed one whose target has no host any more', 'relay', { targets: [{ ...target, host: null }] }],
  ['one with a tunnel to a service that is gone', 'relay', { services: [] }],
  ['one with tunnels that the app allows no more', 'jump', { targets: [{ ...target, forwarding: nothing }] }],
  [
    'one that listens where nobody may any more',
    'relay',
    { targets: [{ ...target, forwarding: { ...everything, remote: false } }] },
  ],
  [
    'one with an agent that may not go along any more',
    'relay',
    { targets: [{ ...target, forwarding: { ...everything, agent: false } }] },
  ],
])('%s must end', (_what, way, situation) => {
  expect(isWithdrawn(connectionOn(way), factsOf(situation))).toBe(true);
});

test('a relayed one goes on where jumps are closed, and one without a record of it too', () => {
  const relayOnly = factsOf({ targets: [{ ...target, accessMode: 'relay' }] });
  expect(isWithdrawn(connectionOn('relay'), relayOnly)).toBe(false);
  expect(isWithdrawn({ ...connectionOn('host'), granted: null }, factsOf({ services: [] }))).toBe(false);
});
