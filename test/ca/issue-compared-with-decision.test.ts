import { expect, test } from 'vitest';
import { compareWithDecision } from '../../src/ca/compare-with-decision.ts';
import type { CertificateFields } from '../../src/ssh/certificate.ts';
import { encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { WireReader, WireWriter } from '../../src/ssh/wire.ts';
import { refusalOf } from '../ssh/refusal.ts';
import { ca, hostFields, keyFromByte, packed, rawToBeSigned, userFields } from '../ssh/sample-certificate.ts';

const decided = userFields;
const raw = {
  criticalOptions: decided.criticalOptions.map(({ name, value = '' }) => [name, packed(value)] as const),
  extensions: decided.extensions.map(
    ({ name, value = '' }) => [name, value === '' ? Buffer.alloc(0) : packed(value)] as const,
  ),
};

test('bytes that say what was decided pass, for users and for hosts', () => {
  for (const fields of [userFields, hostFields]) compareWithDecision(encodeToBeSigned(fields), fields);
  compareWithDecision(rawToBeSigned(raw), decided);
});

test('the order in which options were decided does not matter, that of principals does', () => {
  const extensions = decided.extensions.toReversed();
  compareWithDecision(encodeToBeSigned(decided), { ...decided, extensions });
  const principals = decided.principals.toReversed();
  expect(() => compareWithDecision(encodeToBeSigned(decided), { ...decided, principals })).toThrow(
    'would not have the decided principals',
  );
});

const other = keyFromByte(9);
const [claims, forwarding, pty] = raw.extensions;
/** What an encoder with a mistake in that field would write. */
const mistakes: [field: string, change: Parameters<typeof rawToBeSigned>[0]][] = [
  ['type', { type: 'ssh-rsa-cert-v01@openssh.com' }],
  ['nonce', { nonce: Buffer.alloc(32, 8) }],
  ['public key', { subject: other.blob.subarray(-32) }],
  ['serial', { serial: 43n }],
  ['serial', { serial: 42n + 2n ** 53n }],
  ['kind', { kind: 2 }],
  ['key ID', { keyId: 'bob@example.org/01ab' }],
  ['principals', { principals: ['alice@example.org'] }],
  ['principals', { principals: [...decided.principals, 'bob@example.org'] }],
  ['principals', { principals: ['alice@example.org', 'alice@example.org'] }],
  ['principals', { principals: ['alice@example.org,mfa:alice@example.org'] }],
  ['start', { validAfter: decided.validAfter - 1n }],
  ['end', { validBefore: decided.validBefore + 1n }],
  ['end', { validBefore: 2n ** 64n - 1n }],
  ['critical options', { criticalOptions: [] }],
  ['critical options', { criticalOptions: [['source-address', packed('192.0.2.0/24')]] }],
  ['extensions', { extensions: raw.extensions.slice(1) }],
  ['extensions', { extensions: [...raw.extensions, ['permit-user-rc', Buffer.alloc(0)]] }],
  ['extensions', { extensions: [claims, pty, forwarding].filter((one) => one !== undefined) }],
  ['extensions', { extensions: [['claims@ca.example.org', packed('{}')], ...raw.extensions.slice(1)] }],
  ['reserved field', { reserved: 'x' }],
  ['CA key', { ca: other.blob }],
  ['length', { after: 'x' }],
];

test.each(mistakes)('a mistake of the encoder is noticed: %s', (field, change) => {
  const refusal = refusalOf(() => compareWithDecision(rawToBeSigned({ ...raw, ...change }), decided));
  expect(refusal.code).toBe('certificate_refused');
  expect(refusal.message).toContain(`would not have the decided ${field}`);
});

test('every field of the decision is compared', () => {
  const bytes = encodeToBeSigned(decided);
  const changed: Required<Record<keyof CertificateFields, CertificateFields>> = {
    kind: { ...decided, kind: 'host' },
    publicKey: { ...decided, publicKey: other.blob },
    nonce: { ...decided, nonce: Buffer.alloc(32, 8) },
    serial: { ...decided, serial: 43n },
    keyId: { ...decided, keyId: 'alice@example.org/01ac' },
    principals: { ...decided, principals: ['alice@example.org'] },
    validAfter: { ...decided, validAfter: decided.validAfter + 1n },
    validBefore: { ...decided, validBefore: decided.validBefore - 1n },
    criticalOptions: { ...decided, criticalOptions: [] },
    extensions: { ...decided, extensions: [] },
    caPublicKey: { ...decided, caPublicKey: other.blob },
  };
  for (const fields of Object.values(changed)) {
    expect(refusalOf(() => compareWithDecision(bytes, fields)).code).toBe('certificate_refused');
  }
});

test('any single changed byte is noticed', () => {
  const bytes = encodeToBeSigned(decided);
  for (let index = 0; index < bytes.length; index += 1) {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(index) ^ 1, index);
    expect(refusalOf(() => compareWithDecision(damaged, decided)).code).toBe('certificate_refused');
  }
});

test('a key of another type is compared part by part', () => {
  const reader = new WireReader(other.blob, 'key_malformed', 'key');
  reader.text();
  const securityKey = new WireWriter()
    .string('sk-ssh-ed25519@openssh.com')
    .string(reader.string())
    .string('ssh:')
    .bytes();
  const fields = { ...decided, publicKey: securityKey, caPublicKey: ca.blob };
  const bytes = encodeToBeSigned(fields);
  compareWithDecision(bytes, fields);
  const elsewhere = Buffer.from(securityKey.toString('latin1').replace('ssh:', 'ssh;'), 'latin1');
  expect(() => compareWithDecision(bytes, { ...fields, publicKey: elsewhere })).toThrow();
});
