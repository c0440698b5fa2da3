import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { CompanionState, EndReason } from '../../src/api/companions.ts';
import { type Connection, connectionKey } from '../../src/gateway/connection-file.ts';
import { endWords } from '../../src/gateway/end-words.ts';
import {
  type JudgedBy,
  judgeConnections,
  judgeLeft,
  withIdleTimeout,
} from '../../src/gateway/judge-connections.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseKrl } from '../../src/ssh/parse-krl.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { authority, aConnection as connection, now } from './a-connection.ts';
import { alice, web } from './test-world.ts';

const { sessionId } = connection.offer;

const rule = {
  subject: { account: alice },
  role: 'contributor',
  organization: 'example',
  project: null,
  environment: null,
  expiresAtSeconds: null,
} as const;

interface Changes {
  readonly target?: Partial<typeof web>;
  readonly targets?: readonly (typeof web)[];
  readonly kind?: 'gateway' | 'host';
  readonly disabled?: boolean;
  readonly rules?: readonly (typeof rule)[];
  readonly ended?: readonly string[];
  readonly revoked?: readonly bigint[];
  readonly activeAtSeconds?: number;
  readonly keys?: CompanionState['registered_keys'];
}

function by(changes: Changes = {}): JudgedBy {
  const { target, targets = [{ ...web, ...target }], kind = 'gateway', disabled = false } = changes;
  const state = {
    companion: { kind, gateway_login: null },
    targets,
    accounts: [{ name: alice, organization: 'example', disabled, groups: [] }],
    access_rules: changes.rules ?? [rule],
    registered_keys: changes.keys ?? [],
  } as unknown as CompanionState;
  const serials = [1n, ...(changes.revoked ?? [])];
  const krl = encodeKrl({
    version: 1n,
    generatedAt: 1n,
    comment: '',
    sections: [{ kind: 'certificates', caPublicKey: authority, serials }],
  });
  const active = changes.activeAtSeconds;
  return {
    facts: { state, endedSessions: new Set(changes.ended), nowSeconds: now },
    krl: parseKrl(krl),
    activeAtSeconds: new Map(active === undefined ? [] : [[connectionKey(connection), active]]),
  };
}

function reasonOf(changes: Changes, change: Partial<Connection> = {}): EndReason | undefined {
  return judgeConnections([{ ...connection, ...change }], by(changes))[0]?.reason;
}

test('a connection whose certificate has expired, and whose second factor is old by now, goes on', () => {
  expect(reasonOf({})).toBeUndefined();
});

test.each([
  ['session_ended', { ended: [sessionId] }],
  ['certificate_revoked', { revoked: [7n] }],
  ['account_gone', { disabled: true }],
  ['access_denied', { rules: [] }],
  ['access_denied', { target: { state: 'stopped' } }],
  ['access_denied', { target: { address: '10.0.0.9' } }],
  ['access_denied', { targets: [] }],
  ['mfa_too_old', { target: { mfaEnforcement: 'continuous' } }],
  ['too_long', { target: { maxConnectionSeconds: 600 } }],
  ['idle', { target: { idleTimeoutSeconds: 60 }, activeAtSeconds: now - 60 }],
] as const)('a connection ends because of %s', (reason, changes) => {
  expect(reasonOf(changes)).toBe(reason);
});

test.each([
  ['session_ended', { ended: [sessionId] }],
  ['certificate_revoked', { revoked: [7n] }],
  ['account_gone', { disabled: true }],
  ['access_denied', { rules: [] }],
  [undefined, {}],
  [undefined, { target: { state: 'stopped' } }],
  [undefined, { target: { address: '10.0.0.9' } }],
  [undefined, { targets: [] }],
  [undefined, { target: { mfaEnforcement: 'continuous' } }],
  [undefined, { target: { maxConnectionSeconds: 600 } }],
] as const)('what a connection left ends because of %s', (reason, changes) => {
  expect(judgeLeft([connection], by(changes))[0]?.reason).toBe(reason);
});

test('a second factor that is too old is not the reason where something else stands in the way too', () => {
  expect(reasonOf({ target: { mfaEnforcement: 'continuous', sshRole: 'admin' } })).toBe('access_denied');
});

test('on a host a connection goes on as long as one target of its login lets it, on a gateway all must', () => {
  const api = { ...web, targetName: 'shop-production--api', maxConnectionSeconds: 60 };
  const targets = [web, api];
  const permitted = targets.map(({ targetName: name, address, port }) => ({ name, address, port }));
  expect(reasonOf({ targets, kind: 'host' }, { permitted })).toBeUndefined();
  expect(reasonOf({ targets, kind: 'gateway' }, { permitted })).toBe('too_long');
});

test('a connection that carries a refusal or a menu has no limit of a target, and its session all the same', () => {
  expect(reasonOf({ target: { maxConnectionSeconds: 1 } }, { permitted: [] })).toBeUndefined();
  expect(reasonOf({ ended: [sessionId] }, { permitted: [] })).toBe('session_ended');
});

test('a key or a code has no serial that could be revoked', () => {
  const offer = { ...connection.offer, source: 'code', serial: '0', authority: '' } as const;
  expect(reasonOf({ revoked: [7n] }, { offer })).toBeUndefined();
  expect(reasonOf({ ended: [sessionId] }, { offer })).toBe('session_ended');
});

test('who came with a key goes with it', () => {
  const { publicKeyBlob } = generateEd25519();
  const public_key = publicKeyLine({ blob: publicKeyBlob });
  const offer = {
    ...connection.offer,
    source: 'key',
    serial: '0',
    authority: '',
    sourceText: public_key,
  } as const;
  const key = { account: alice, session_id: sessionId, public_key, expires_at: now + 60 };
  expect(reasonOf({ keys: [key] }, { offer })).toBeUndefined();
  expect(reasonOf({ keys: [] }, { offer })).toBe('session_ended');
  expect(reasonOf({ keys: [{ ...key, session_id: randomUUID() }] }, { offer })).toBe('session_ended');
});

test('only connections to targets with an idle timeout are watched', () => {
  expect(withIdleTimeout([connection], by().facts)).toEqual([]);
  expect(withIdleTimeout([connection], by({ target: { idleTimeoutSeconds: 60 } }).facts)).toEqual([
    connection,
  ]);
});

test('every reason has one line of its own for a terminal, which names the command that helps', () => {
  const reasons = ['session_ended', 'certificate_revoked', 'account_gone', 'access_denied'] as const;
  const lines = [...reasons, 'mfa_too_old' as const, 'too_long' as const, 'idle' as const].map((reason) =>
    endWords(reason, web.targetName),
  );
  expect(new Set(lines).size).toBe(lines.length);
  for (const line of lines) expect(line).toMatch(/^Connection ended: [ -~]+$/);
  expect(lines[3]).toContain(`sally explain ${web.targetName}`);
});
