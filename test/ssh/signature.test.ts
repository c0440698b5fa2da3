import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  encodeSignature,
  type SignatureAlgorithm,
  signatureAlgorithmInside,
  signatureAlgorithmOf,
  signWithKey,
  verifySignature,
} from '../../src/ssh/signature.ts';
import { WireReader, WireWriter } from '../../src/ssh/wire.ts';
import { codeOf, refusalOf } from './refusal.ts';
import { keysOfEveryType, plainKey, securityKey, type TypedKey } from './sample-keys.ts';

const keys = keysOfEveryType();
const bytes = Buffer.from('what is signed');

function keyOf(type: string): TypedKey {
  const key = keys.find((one) => one.type === type);
  if (key === undefined) throw new Error(`there is no ${type} key`);
  return key;
}

const rsa = keyOf('ssh-rsa');
const p256 = keyOf('ecdsa-sha2-nistp256');

/** A signature blob of any parts. */
function packed(algorithm: string, content: Uint8Array): Buffer {
  return new WireWriter().string(algorithm).string(content).bytes();
}

function contentOf(signature: Buffer): Buffer {
  const reader = new WireReader(signature, 'signature_invalid', 'signature');
  reader.string();
  return reader.string();
}

describe.each(keys.map((key) => [key.type, key] as const))('a signature by a key of type %s', (type, key) => {
  const signature = key.sign(bytes);

  test('holds for its key and its bytes alone', () => {
    expect(() => verifySignature({ publicKey: key.blob, bytes, signature })).not.toThrow();
    const others = keysOfEveryType().map(({ blob }) => blob);
    for (const publicKey of others) {
      expect(codeOf(() => verifySignature({ publicKey, bytes, signature }))).toBe('signature_invalid');
    }
    const other = { publicKey: key.blob, bytes: Buffer.from('something else'), signature };
    expect(refusalOf(() => verifySignature(other)).message).toContain('does not match');
  });

  test('names the algorithm that the key signs with', () => {
    expect(signatureAlgorithmInside(signature)).toBe(signatureAlgorithmOf(key.blob));
    expect(signatureAlgorithmOf(key.blob)).toBe(type === 'ssh-rsa' ? 'rsa-sha2-512' : type);
  });

  test('does not hold with any byte changed, cut or added', () => {
    for (let offset = 0; offset < signature.length; offset++) {
      const changed = Buffer.from(signature);
      changed[offset] = (changed[offset] ?? 0) ^ 0x10;
      for (const damaged of [changed, signature.subarray(0, offset)]) {
        const claim = { publicKey: key.blob, bytes, signature: damaged };
        expect(codeOf(() => verifySignature(claim))).toBe('signature_invalid');
      }
    }
    const longer = { publicKey: key.blob, bytes, signature: Buffer.concat([signature, Buffer.alloc(1)]) };
    expect(codeOf(() => verifySignature(longer))).toBe('signature_invalid');
  });
});

describe('RSA', () => {
  test.each(['rsa-sha2-256', 'rsa-sha2-512'] as const)('signs with %s', (algorithm) => {
    const signature = rsa.sign(bytes, algorithm);
    expect(signatureAlgorithmInside(signature)).toBe(algorithm);
    expect(() => verifySignature({ publicKey: rsa.blob, bytes, signature })).not.toThrow();
  });

  test('with SHA-1 is refused, and said to be so, however right the signature is', () => {
    const signature = packed('ssh-rsa', sign('sha1', bytes, rsa.privateKey));
    const refusal = refusalOf(() => verifySignature({ publicKey: rsa.blob, bytes, signature }));
    expect([refusal.code, refusal.message]).toEqual(['signature_invalid', expect.stringContaining('SHA-1')]);
  });

  test('under the name of the other hash does not hold', () => {
    const signature = packed('rsa-sha2-256', sign('sha512', bytes, rsa.privateKey));
    expect(codeOf(() => verifySignature({ publicKey: rsa.blob, bytes, signature }))).toBe(
      'signature_invalid',
    );
  });

  test('of 2,048 bits signs nothing that is believed', () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { n = '' } = weak.publicKey.export({ format: 'jwk' });
    const modulus = Buffer.concat([Buffer.alloc(1), Buffer.from(n, 'base64url')]);
    const publicKey = new WireWriter()
      .string('ssh-rsa')
      .string(Buffer.of(1, 0, 1))
      .string(modulus)
      .bytes();
    const signature = signWithKey(weak.privateKey, bytes);
    const refusal = refusalOf(() => verifySignature({ publicKey, bytes, signature }));
    expect([refusal.code, refusal.detail]).toEqual(['signature_invalid', expect.stringContaining('2048')]);
  });
});

describe('a security key', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

  test.each([
    ['Ed25519', privateKey],
    ['ECDSA', curve],
  ])('of %s that was not touched is not believed, even where its user was verified', (_, inner) => {
    for (const flags of [0, 4]) {
      const key = securityKey(inner, 'ssh:', flags);
      const claim = { publicKey: key.blob, bytes, signature: key.sign(bytes) };
      expect(refusalOf(() => verifySignature(claim)).message).toContain('touching');
    }
  });

  test('signs its application, too', () => {
    const signature = securityKey(privateKey, 'ssh:').sign(bytes);
    const { blob } = securityKey(privateKey, 'ssh:other');
    expect(codeOf(() => verifySignature({ publicKey: blob, bytes, signature }))).toBe('signature_invalid');
  });

  test('gives no signature for the plain key inside, nor the other way round', () => {
    const [plain, hardware] = [plainKey(privateKey), securityKey(privateKey)];
    const [first, second] = [plain.sign(bytes), hardware.sign(bytes)];
    expect(codeOf(() => verifySignature({ publicKey: plain.blob, bytes, signature: second }))).toBe(
      'signature_invalid',
    );
    expect(codeOf(() => verifySignature({ publicKey: hardware.blob, bytes, signature: first }))).toBe(
      'signature_invalid',
    );
  });

  test('in a browser signs for web sites, which is refused by name', () => {
    const signature = packed('webauthn-sk-ecdsa-sha2-nistp256@openssh.com', Buffer.alloc(64));
    const { blob } = securityKey(curve);
    expect(refusalOf(() => verifySignature({ publicKey: blob, bytes, signature })).message).toContain(
      'web site',
    );
  });
});

describe('encoding', () => {
  const der = sign('sha256', bytes, p256.privateKey);

  test.each([
    ['Ed25519 of 63 bytes', 'ssh-ed25519', Buffer.alloc(63)],
    ['ECDSA as two plain numbers', 'ecdsa-sha2-nistp256', contentOf(p256.sign(bytes))],
    ['ECDSA in IEEE P1363 form', 'ecdsa-sha2-nistp256', Buffer.alloc(64, 1)],
    ['bytes after ASN.1', 'ecdsa-sha2-nistp256', Buffer.concat([der, Buffer.alloc(1)])],
    ['ASN.1 cut short', 'ecdsa-sha2-nistp256', der.subarray(0, -1)],
    ['a length in a longer form', 'ecdsa-sha2-nistp256', Buffer.from('308106020101020101', 'hex')],
    ['a negative number', 'ecdsa-sha2-nistp256', Buffer.from('3006020181020101', 'hex')],
    ['a number of zero', 'ecdsa-sha2-nistp256', Buffer.from('3006020100020101', 'hex')],
    ['a third number', 'ecdsa-sha2-nistp256', Buffer.from('3009020101020101020101', 'hex')],
    ['one number', 'ecdsa-sha2-nistp256', Buffer.from('3003020101', 'hex')],
    ['nothing', 'ecdsa-sha2-nistp256', Buffer.alloc(0)],
    ['a security key’s', 'sk-ssh-ed25519@openssh.com', Buffer.alloc(64)],
  ] as const)('refuses %s', (_, algorithm, native) => {
    expect(codeOf(() => encodeSignature(algorithm, native))).toBe('signature_invalid');
  });

  test('reads every signature that OpenSSL writes, with numbers of every length', () => {
    const p521 = keyOf('ecdsa-sha2-nistp521');
    for (let round = 0; round < 300; round++) {
      const message = Buffer.from(`${round}`);
      for (const key of [p256, p521]) {
        const signature = key.sign(message);
        expect(() => verifySignature({ publicKey: key.blob, bytes: message, signature })).not.toThrow();
      }
    }
  });

  test('refuses to sign with an algorithm of another key, or a key that SSH does not have', () => {
    const attempts: [TypedKey['privateKey'], SignatureAlgorithm | undefined][] = [
      [rsa.privateKey, 'ecdsa-sha2-nistp256'],
      [p256.privateKey, 'ecdsa-sha2-nistp384'],
      [p256.privateKey, 'sk-ecdsa-sha2-nistp256@openssh.com'],
      [generateKeyPairSync('ed448').privateKey, undefined],
      [generateKeyPairSync('rsa-pss', { modulusLength: 3072 }).privateKey, undefined],
      [generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey, undefined],
    ];
    for (const [privateKey, algorithm] of attempts) {
      expect(codeOf(() => signWithKey(privateKey, bytes, algorithm))).toBe('signature_invalid');
    }
  });
});

test.each([
  ['an empty r', ['', '01']],
  ['an empty s', ['01', '']],
  ['r in a longer form', ['0001', '01']],
  ['a negative s', ['01', '80']],
  ['r of 33 bytes', [`01${'00'.repeat(32)}`, '01']],
])('ECDSA with %s is malformed', (_, numbers) => {
  const writer = new WireWriter();
  for (const number of numbers) writer.string(Buffer.from(number, 'hex'));
  const signature = packed('ecdsa-sha2-nistp256', writer.bytes());
  expect(refusalOf(() => verifySignature({ publicKey: p256.blob, bytes, signature })).message).not.toContain(
    'does not match',
  );
});
