import fc from 'fast-check';
import sshpk from 'sshpk';
import { expect, test } from 'vitest';
import { isSallyportError } from '../../src/errors/sallyport-error.ts';
import { encodeOpensshPrivateKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import {
  checkPublicKeyBlob,
  ed25519RawKey,
  parsePublicKeyLine,
  publicKeyBlobOf,
  publicKeyLine,
  toKeyObject,
} from '../../src/ssh/public-key.ts';
import { readPublicKeyFile } from '../../src/ssh/read-key-file.ts';
import { signWithKey, verifySignature } from '../../src/ssh/signature.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { keyFromByte } from '../ssh/sample-certificate.ts';
import { securityKey } from '../ssh/sample-keys.ts';
import { anyKey, bytes, comment, keys, printable, textOf } from './arbitraries.ts';
import { holds } from './holds.ts';

test('every key comes back from its line, its file and its bytes', async () => {
  await holds(300, [anyKey, comment], async ({ blob, type }, words) => {
    const line = publicKeyLine({ blob, comment: words });
    expect(parsePublicKeyLine(`${line}\n`)).toEqual({ type, blob, comment: words });
    expect(await readPublicKeyFile(Buffer.from(line))).toEqual({ type, blob, comment: words });
    expect((await readPublicKeyFile(blob)).blob.equals(blob)).toBe(true);
    expect(checkPublicKeyBlob(blob)).toBe(type);
  });
});

test('every key that node:crypto knows comes back from it', () => {
  for (const { blob, type } of keys) {
    if (!type.startsWith('sk-')) expect(publicKeyBlobOf(toKeyObject(blob)).equals(blob)).toBe(true);
  }
});

test('a security key is accepted for whatever application that begins with ssh:, and for no other', async () => {
  const inner = keyFromByte(9).privateKey;
  const application = fc.oneof(textOf('sh:/.webxyz', { min: 0, max: 12 }), printable);
  await holds(300, [fc.constantFrom('ssh:', ''), application], (start, rest) => {
    const { blob } = securityKey(inner, `${start}${rest}`);
    const isForSsh = /^ssh:[!-~]*$/.test(`${start}${rest}`);
    expect(codeOf(() => checkPublicKeyBlob(blob))).toBe(isForSsh ? undefined : 'key_type_refused');
  });
});

test('any 32 bytes are a key of Ed25519 that comes back, or are refused', async () => {
  await holds(500, [bytes(32, 32)], (raw) => {
    const blob = new WireWriter().string('ssh-ed25519').string(raw).bytes();
    const code = codeOf(() => checkPublicKeyBlob(blob));
    if (code !== undefined) expect(['key_malformed', 'key_weak']).toContain(code);
    else expect(ed25519RawKey(blob).equals(raw)).toBe(true);
  });
});

test('every signature is verified for its bytes and its key, and for no others', async () => {
  await holds(150, [anyKey, anyKey, bytes(0, 200), bytes(0, 200)], (key, otherKey, message, otherMessage) => {
    const signature = key.sign(message);
    const refusal = (publicKey: Buffer, signed: Buffer) =>
      codeOf(() => verifySignature({ publicKey, bytes: signed, signature }));
    expect(refusal(key.blob, message)).toBe(undefined);
    expect(refusal(otherKey.blob, message)).toBe(otherKey === key ? undefined : 'signature_invalid');
    expect(refusal(key.blob, otherMessage)).toBe(
      message.equals(otherMessage) ? undefined : 'signature_invalid',
    );
  });
});

test('every private key file is read by sshpk as the key and the comment it was made of', async () => {
  await holds(100, [comment, bytes(0, 40)], (words, message) => {
    const key = generateEd25519();
    const read = sshpk.parsePrivateKey(key.openssh(words), 'ssh');
    expect(read.comment).toBe(words === '' ? '(unnamed)' : words);
    expect(read.toPublic().toBuffer('rfc4253').equals(key.publicKeyBlob)).toBe(true);
    const signer = read.createSign('sha512');
    signer.update(message);
    const signature = signer.sign().toBuffer('ssh');
    expect(signature.equals(signWithKey(key.privateKey, message))).toBe(true);
  });
});

test('no private key file is made of halves that do not belong together', async () => {
  await holds(100, [bytes(32, 32), bytes(32, 32)], (seed, publicKey) => {
    expect(codeOf(() => encodeOpensshPrivateKey({ seed, publicKey, comment: '' }))).toBe('key_malformed');
  });
});

function codeOf(attempt: () => unknown): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    if (isSallyportError(error)) return error.code;
    throw error;
  }
}
