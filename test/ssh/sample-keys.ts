import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { PublicKeyType } from '../../src/ssh/key-types.ts';
import { partsOf, publicKeyBlobOf } from '../../src/ssh/public-key.ts';
import { type SignatureAlgorithm, signWithKey } from '../../src/ssh/signature.ts';
import { WireReader, WireWriter } from '../../src/ssh/wire.ts';

export interface TypedKey {
  readonly type: PublicKeyType;
  readonly blob: Buffer;
  /** Of a security key: the key inside, which no real one gives away. */
  readonly privateKey: KeyObject;
  /** The signature blob. */
  sign(bytes: Uint8Array, algorithm?: SignatureAlgorithm): Buffer;
}

/** A fresh key of each accepted type. */
export function keysOfEveryType(): readonly TypedKey[] {
  return [
    plainKey(generateKeyPairSync('ed25519').privateKey),
    plainKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    plainKey(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey),
    plainKey(generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey),
    plainKey(generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey),
    securityKey(generateKeyPairSync('ed25519').privateKey),
    securityKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
  ];
}

export function plainKey(privateKey: KeyObject): TypedKey {
  const blob = publicKeyBlobOf(privateKey);
  return {
    type: typeOf(blob),
    blob,
    privateKey,
    sign: (bytes, algorithm) => signWithKey(privateKey, bytes, algorithm),
  };
}

/** A security key in software, since no test can touch a real one: PROTOCOL.u2f in the other direction. */
export function securityKey(privateKey: KeyObject, application = 'ssh:', flags = 1): TypedKey {
  const inner = publicKeyBlobOf(privateKey);
  const type = `sk-${typeOf(inner)}@openssh.com` as PublicKeyType;
  const writer = new WireWriter().string(type);
  for (const part of partsOf(inner)) writer.string(part);
  const blob = writer.string(application).bytes();
  return { type, blob, privateKey, sign: (bytes) => touch(privateKey, type, { application, flags, bytes }) };
}

const counter = 7;

function touch(
  privateKey: KeyObject,
  type: PublicKeyType,
  { application, flags, bytes }: { application: string; flags: number; bytes: Uint8Array },
): Buffer {
  const message = new WireWriter()
    .raw(createHash('sha256').update(application).digest())
    .u8(flags)
    .u32(counter)
    .raw(createHash('sha256').update(bytes).digest())
    .bytes();
  const plain = new WireReader(signWithKey(privateKey, message), 'signature_invalid', 'signature');
  plain.string();
  return new WireWriter().string(type).string(plain.string()).u8(flags).u32(counter).bytes();
}

function typeOf(blob: Buffer): PublicKeyType {
  return new WireReader(blob, 'key_malformed', 'key').text() as PublicKeyType;
}
