import { describe, expect, test } from 'vitest';
import { armor, unarmor } from '../../src/ssh/pem.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig, verifySshsig } from '../../src/ssh/sshsig.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { codeOf, refusalOf } from './refusal.ts';
import { issue, keyFromByte, subject, userFields } from './sample-certificate.ts';

const claim = {
  message: Buffer.from('session\0nonce'),
  namespace: 'pop@example.org',
  publicKeyBlob: subject.blob,
};
const signer = (bytes: Buffer) => signWithKey(subject.privateKey, bytes);
const armored = await signSshsig({ ...claim, sign: signer });

describe('a signature', () => {
  test('holds for its message, purpose and key', () => {
    expect(() => verifySshsig({ ...claim, armored })).not.toThrow();
  });

  test.each([
    ['another message', { message: Buffer.from('x') }],
    ['another purpose', { namespace: 'pop@example.com' }],
    ['an empty purpose', { namespace: '' }],
    ['another key', { publicKeyBlob: keyFromByte(9).blob }],
    ['no text', { armored: '' }],
    ['text before it', { armored: `x\n${armored}` }],
    ['text after it', { armored: `${armored}x` }],
    ['two of it', { armored: armored + armored }],
    ['the armor of something else', { armored: armored.replaceAll('SSH SIGNATURE', 'PGP SIGNATURE') }],
    ['a megabyte', { armored: `${armored}${'\n'.repeat(2 ** 20)}` }],
  ])('does not hold for %s', (_, change) => {
    expect(codeOf(() => verifySshsig({ ...claim, armored, ...change }))).toBe('signature_invalid');
  });

  test('with any changed, cut or added byte does not hold', () => {
    const blob = unarmor('SSH SIGNATURE', armored) ?? Buffer.alloc(0);
    expect(blob.length).toBeGreaterThan(100);
    for (let offset = 0; offset < blob.length; offset++) {
      const changed = Buffer.from(blob);
      changed[offset] = (changed[offset] ?? 0) ^ 1;
      for (const bytes of [changed, blob.subarray(0, offset)]) {
        refusalOf(() => verifySshsig({ ...claim, armored: armor('SSH SIGNATURE', bytes) }));
      }
    }
    const longer = armor('SSH SIGNATURE', Buffer.concat([blob, Buffer.alloc(1)]));
    expect(codeOf(() => verifySshsig({ ...claim, armored: longer }))).toBe('signature_invalid');
  });

  test.each([
    ['an empty purpose', { namespace: '' }],
    ['content in its reserved field', { reserved: 'x' }],
    ['SHA-256', { hash: 'sha256' }],
    ['a later version', { version: 2 }],
    ['a signature of another type', { type: 'ssh-rsa' }],
  ])('with %s is refused even if it was signed so', (_, change) => {
    const { namespace, reserved, hash, version, type } = {
      namespace: claim.namespace,
      reserved: '',
      hash: 'sha512',
      version: 1,
      type: 'ssh-ed25519',
      ...change,
    };
    const signature = new WireWriter().string(type).string(Buffer.alloc(64)).bytes();
    const blob = new WireWriter()
      .raw(Buffer.from('SSHSIG'))
      .u32(version)
      .string(subject.blob)
      .string(namespace)
      .string(reserved)
      .string(hash)
      .string(signature)
      .bytes();
    const refusal = refusalOf(() =>
      verifySshsig({ ...claim, namespace, armored: armor('SSH SIGNATURE', blob) }),
    );
    expect(refusal.code).toBe('signature_invalid');
    expect(refusal.message).not.toContain('does not match');
  });

  test('by a certificate instead of a key is refused', () => {
    const publicKeyBlob = issue(userFields);
    expect(codeOf(() => verifySshsig({ ...claim, publicKeyBlob, armored }))).toBe('signature_invalid');
  });

  test('by a signer that signs with another key does not leave', async () => {
    const wrong = keyFromByte(9).privateKey;
    const attempt = signSshsig({ ...claim, sign: (bytes) => signWithKey(wrong, bytes) });
    await expect(attempt).rejects.toMatchObject({ code: 'signature_invalid' });
  });
});
