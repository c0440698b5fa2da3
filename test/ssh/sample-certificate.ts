import { createPrivateKey, type KeyObject } from 'node:crypto';
import { type CertificateFields, certificateTypeOf } from '../../src/ssh/certificate.ts';
import { assembleCertificate, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { ed25519PublicKeyBlob, ed25519RawKey } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { WireWriter } from '../../src/ssh/wire.ts';

/** Unix seconds: the fixed clock of these tests. */
export const now = 1_800_000_000n;

export interface SampleKey {
  readonly privateKey: KeyObject;
  readonly blob: Buffer;
}

/** An Ed25519 key whose 32-byte seed is one repeated byte. */
export function keyFromByte(byte: number): SampleKey {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, byte)]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const { x = '' } = privateKey.export({ format: 'jwk' });
  return { privateKey, blob: ed25519PublicKeyBlob(Buffer.from(x, 'base64url')) };
}

export const ca = keyFromByte(1);
export const subject = keyFromByte(2);

export const userFields: CertificateFields = {
  kind: 'user',
  publicKey: subject.blob,
  nonce: Buffer.alloc(32, 7),
  serial: 42n,
  keyId: 'alice@example.org/01ab',
  principals: ['alice@example.org', 'mfa:alice@example.org'],
  validAfter: now - 60n,
  validBefore: now + 3600n,
  criticalOptions: [{ name: 'source-address', value: '192.0.2.0/24,2001:db8::/32' }],
  extensions: [
    { name: 'claims@ca.example.org', value: '{"v":1,"sub":"alice@example.org"}' },
    { name: 'permit-port-forwarding', value: '' },
    { name: 'permit-pty', value: '' },
  ],
  caPublicKey: ca.blob,
};

export const hostFields: CertificateFields = {
  ...userFields,
  kind: 'host',
  keyId: 'host/shop-production--web',
  principals: ['shop-production--web.sallyport', '127.0.0.1'],
  criticalOptions: [],
  extensions: [],
};

export function issue(fields: CertificateFields): Buffer {
  const toBeSigned = encodeToBeSigned(fields);
  return assembleCertificate(toBeSigned, signWithKey(ca.privateKey, toBeSigned));
}

export interface RawFields {
  readonly type: string;
  readonly nonce: Uint8Array;
  readonly subject: Uint8Array;
  /** Of a key that has more than one part, instead of `subject`. */
  readonly subjectParts?: readonly Uint8Array[];
  readonly serial: bigint;
  readonly kind: number;
  readonly keyId: string;
  readonly principals: readonly string[];
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly criticalOptions: readonly (readonly [name: string, data: Uint8Array])[];
  readonly extensions: readonly (readonly [name: string, data: Uint8Array])[];
  readonly reserved: string;
  readonly ca: Uint8Array;
  readonly after: string;
}

const rawUser: RawFields = {
  type: certificateTypeOf('ssh-ed25519'),
  nonce: userFields.nonce,
  subject: ed25519RawKey(subject.blob),
  serial: 42n,
  kind: 1,
  keyId: userFields.keyId,
  principals: userFields.principals,
  validAfter: userFields.validAfter,
  validBefore: userFields.validBefore,
  criticalOptions: [],
  extensions: [],
  reserved: '',
  ca: ca.blob,
  after: '',
};

/** The bytes to be signed as a broken or hostile encoder would make them: nothing is checked. */
export function rawToBeSigned(change: Partial<RawFields>): Buffer {
  const fields = { ...rawUser, ...change };
  const principals = new WireWriter();
  for (const principal of fields.principals) principals.string(principal);
  const writer = new WireWriter().string(fields.type).string(fields.nonce);
  for (const part of fields.subjectParts ?? [fields.subject]) writer.string(part);
  return writer
    .u64(fields.serial)
    .u32(fields.kind)
    .string(fields.keyId)
    .string(principals.bytes())
    .u64(fields.validAfter)
    .u64(fields.validBefore)
    .string(rawOptions(fields.criticalOptions))
    .string(rawOptions(fields.extensions))
    .string(fields.reserved)
    .string(fields.ca)
    .raw(Buffer.from(fields.after))
    .bytes();
}

export function rawCertificate(change: Partial<RawFields>): Buffer {
  const toBeSigned = rawToBeSigned(change);
  return assembleCertificate(toBeSigned, signWithKey(ca.privateKey, toBeSigned));
}

/** The data of an option that has a value. */
export function packed(value: string): Buffer {
  return new WireWriter().string(value).bytes();
}

function rawOptions(options: RawFields['criticalOptions']): Buffer {
  const writer = new WireWriter();
  for (const [name, data] of options) writer.string(name).string(data);
  return writer.bytes();
}
