import { expect, test } from 'vitest';
import type { CompanionState } from '../../src/api/companions.ts';
import { Subscriptions } from '../../src/feed/subscriptions.ts';
import { hostCertificateLine } from './host-certificate-line.ts';

const enrolledAt = new Date('2027-01-15T08:00:00Z');

function stateOf(version: bigint, krlVersion: bigint, serial = 1n): CompanionState {
  return {
    format: 1,
    version: `${version}`,
    companion: { id: 'one', name: 'gate', kind: 'gateway', gateway_login: null },
    generated_at: 0,
    user_authorities: [],
    krl: { version: `${krlVersion}`, data: '', signature: '' },
    host_certificate: hostCertificateLine(serial),
    targets: [],
    accounts: [],
    access_rules: [],
    services: [],
    host_authorities: [],
    registered_keys: [],
    leases: [],
    ended_sessions: [],
    public_url: 'https://ssh.example.com/',
  };
}

/** What a subscriber gets of states that are delivered in this order: version, list, certificate. */
function heardOf(...states: readonly (readonly [bigint, bigint, bigint?])[]): string[] {
  const heard: string[] = [];
  const subscriptions = new Subscriptions();
  subscriptions.add(
    { companionId: 'one', enrolledAt },
    {
      send: ({ version, krl }) => heard.push(`${version}/${krl.version}`),
      end: () => heard.push('end'),
    },
  );
  for (const state of states) subscriptions.deliver('one', { state: stateOf(...state), enrolledAt });
  return heard;
}

test('a state made before the machine enrolled is not its own, and one of a later machine ends it', () => {
  const [before, after] = [-1_000, 1_000].map((by) => new Date(enrolledAt.getTime() + by));
  const heard: string[] = [];
  const subscriptions = new Subscriptions();
  subscriptions.add(
    { companionId: 'one', enrolledAt },
    { send: ({ version }) => heard.push(version), end: () => heard.push('end') },
  );
  for (const [version, at] of [
    [4n, before],
    [5n, enrolledAt],
    [6n, after],
  ] as const) {
    subscriptions.deliver('one', { state: stateOf(version, 1n), enrolledAt: at ?? enrolledAt });
  }
  expect(heard).toEqual(['5', 'end']);
});

test('a state with an older revocation list goes to nobody, whatever its version is', () => {
  expect(heardOf([5n, 7n], [6n, 6n], [7n, 7n])).toEqual(['5/7', '7/7']);
});

test('a state of an older version, or the same one again, goes to nobody', () => {
  expect(heardOf([5n, 1n], [4n, 1n], [5n, 1n])).toEqual(['5/1']);
});

test('under the same version only a newer host certificate is sent', () => {
  expect(heardOf([5n, 1n, 8n], [5n, 1n, 9n], [5n, 1n, 8n], [6n, 1n, 9n])).toEqual(['5/1', '5/1', '6/1']);
});

test('a companion that opens one after another keeps the newest four', () => {
  const subscriptions = new Subscriptions();
  const ended: number[] = [];
  const reached: number[] = [];
  for (const number of [1, 2, 3, 4, 5, 6]) {
    subscriptions.add(
      { companionId: 'one', enrolledAt },
      { send: () => reached.push(number), end: () => ended.push(number) },
    );
  }
  expect(ended).toEqual([1, 2]);
  subscriptions.deliver('one', { state: stateOf(1n, 1n), enrolledAt });
  expect(reached).toEqual([3, 4, 5, 6]);
});
