import { describe, expect, test } from 'vitest';
import { type KnownCompanion, retirableAt, unawareOf, waitsOf } from '../../src/ca/decide-rotation.ts';
import type { Purpose } from '../../src/ca/issuing.ts';

const now = new Date('2027-01-15T08:00:00Z');
const ago = (milliseconds: number) => new Date(now.getTime() - milliseconds);
const day = 86_400_000;

const knows: KnownCompanion = {
  name: 'bastion',
  kind: 'gateway',
  lastSeenAt: ago(1_000),
  acknowledgedVersion: 7n,
  problem: null,
};
const host: KnownCompanion = { ...knows, name: 'web', kind: 'host' };

describe('a companion', () => {
  const unaware = (companion: KnownCompanion, purpose: Purpose = 'user') =>
    unawareOf({ purpose, stateVersion: 7n }, [companion], now).length === 1;

  test('that has acknowledged the version knows the key, one that has an older one or none does not', () => {
    expect(unaware(knows)).toBe(false);
    expect(unaware({ ...knows, acknowledgedVersion: 8n })).toBe(false);
    expect(unaware({ ...knows, acknowledgedVersion: 6n })).toBe(true);
    expect(unaware({ ...knows, acknowledgedVersion: null })).toBe(true);
  });

  test('that was not heard of for over seven days holds nobody up', () => {
    expect(unaware({ ...knows, acknowledgedVersion: 6n, lastSeenAt: ago(7 * day) })).toBe(true);
    expect(unaware({ ...knows, acknowledgedVersion: 6n, lastSeenAt: ago(7 * day + 1) })).toBe(false);
    expect(unaware({ ...knows, acknowledgedVersion: 6n, lastSeenAt: null })).toBe(false);
  });

  test.each<[Purpose, boolean, boolean]>([
    ['user', true, true],
    ['hop', false, true],
    ['host', false, false],
  ])('must know a %s CA key: gateway %s, host %s', (purpose, gateway, target) => {
    expect(unaware({ ...knows, acknowledgedVersion: null }, purpose)).toBe(gateway);
    expect(unaware({ ...host, acknowledgedVersion: null }, purpose)).toBe(target);
  });
});

describe('a next key waits', () => {
  const key = { id: 'key', purpose: 'user', stateVersion: 7n, createdAt: ago(1_000) } as const;
  const report = { replica: 'server-1', caKeyId: 'key', reportedAt: ago(1_000), problem: null };
  const older = { ...report, caKeyId: 'older' };

  test('for nobody, where everybody knows it and every server can sign with it', () => {
    expect(waitsOf(key, { unaware: [], reports: [report, older] }, now)).toEqual([]);
    expect(waitsOf(key, { unaware: [], reports: [] }, now)).toEqual([]);
  });

  test('for companions, with what ails them', () => {
    const companion = { name: 'bastion', problem: 'its disk is full' };
    expect(waitsOf(key, { unaware: [companion], reports: [] }, now)).toEqual([
      { kind: 'companion', ...companion },
    ]);
  });

  test('for a server process that lives and has not reported, or reports why it can’t sign with it', () => {
    const silent = { kind: 'server', replica: 'server-1', problem: null };
    expect(waitsOf(key, { unaware: [], reports: [older] }, now)).toEqual([silent]);
    const problem = 'There is no CA key at /keys/user_ca_2.pem.';
    expect(waitsOf(key, { unaware: [], reports: [older, { ...report, problem }] }, now)).toEqual([
      { ...silent, problem },
    ]);
  });

  test('not for a server process that has said nothing for a minute', () => {
    expect(waitsOf(key, { unaware: [], reports: [{ ...older, reportedAt: ago(60_001) }] }, now)).toEqual([]);
  });

  test('if it is a host CA key: until every helper had to renew twice, as certificates of people live an hour', () => {
    const hostKey = { ...key, purpose: 'host', createdAt: ago(7_199_000) } as const;
    const until = new Date(now.getTime() + 1_000);
    expect(waitsOf(hostKey, { unaware: [], reports: [] }, now)).toEqual([{ kind: 'helpers', until }]);
    expect(waitsOf(hostKey, { unaware: [], reports: [] }, until)).toEqual([]);
  });
});

test('a retiring key can be retired an hour after its last certificate, and never within an hour of signing', () => {
  const retiringAt = new Date('2027-01-15T08:00:00Z');
  const at = (lastExpiry: string | null) =>
    retirableAt({ retiringAt, lastExpiry: lastExpiry === null ? null : new Date(lastExpiry) }).toISOString();
  expect(at('2027-01-15T08:55:00Z')).toBe('2027-01-15T09:55:00.000Z');
  expect(at('2027-01-15T07:00:00Z')).toBe('2027-01-15T09:00:00.000Z');
  expect(at(null)).toBe('2027-01-15T09:00:00.000Z');
});
