/** The hybrid key type against what OpenSSH 10.5 made (vectors/mldsa/README.md): older ones can't read it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { listingLine, randomart } from '../../src/ssh/key-listing.ts';
import { parseCertificate, parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { checkPublicKeyBlob, parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { verifySshsig } from '../../src/ssh/sshsig.ts';
import { verifyCertificate } from '../../src/ssh/verify-certificate.ts';
import { codeOf } from './refusal.ts';

const type = 'ssh-mldsa44-ed25519@openssh.com';
const key = parsePublicKeyLine(vector('key.pub'));

function vector(name: string): string {
  return readFileSync(join(import.meta.dirname, 'vectors', 'mldsa', name), 'utf8');
}

describe('the hybrid of ML-DSA-44 and Ed25519', () => {
  test('is read, and listed as OpenSSH lists it', () => {
    expect(key.type).toBe(type);
    expect(`${listingLine(key)}\n${randomart(key.blob)}\n`).toBe(vector('listing.txt'));
  });

  test('is a certificate’s subject, encoded byte for byte as OpenSSH does', () => {
    const certificate = parseCertificateLine(vector('key-cert.pub'));
    expect(certificate).toMatchObject({ serial: 2n ** 64n - 1n, publicKey: key.blob });
    verifyCertificate(certificate);
    expect(encodeToBeSigned(certificate).equals(certificate.toBeSigned)).toBe(true);
  });

  test('is a CA, whose signature counts only if both halves hold', () => {
    const certificate = parseCertificateLine(vector('signed-by-key-cert.pub'));
    expect(certificate.caPublicKey.equals(key.blob)).toBe(true);
    verifyCertificate(certificate);
    // The last byte is Ed25519's, one 100 bytes before it ML-DSA's.
    for (const fromEnd of [1, 100]) {
      const forged = Buffer.from(certificate.blob);
      forged[forged.length - fromEnd] = (forged[forged.length - fromEnd] ?? 0) ^ 1;
      expect(codeOf(() => verifyCertificate(parseCertificate(forged)))).toBe('signature_invalid');
    }
  });

  test('signs messages as ssh-keygen -Y does', () => {
    const claim = { namespace: 't@x', publicKeyBlob: key.blob, armored: vector('message.sig') };
    verifySshsig({ ...claim, message: Buffer.from('hello\n') });
    expect(codeOf(() => verifySshsig({ ...claim, message: Buffer.from('hullo\n') }))).toBe(
      'signature_invalid',
    );
  });

  test('is refused a byte short or long, and with an Ed25519 half of low order', () => {
    const start = 4 + type.length + 4;
    const resized = (length: number) => {
      const blob = Buffer.concat([key.blob, Buffer.alloc(1)]).subarray(0, start + length);
      blob.writeUInt32BE(length, start - 4);
      return blob;
    };
    expect(codeOf(() => checkPublicKeyBlob(resized(1343)))).toBe('key_malformed');
    expect(codeOf(() => checkPublicKeyBlob(resized(1345)))).toBe('key_malformed');
    const low = Buffer.from(key.blob);
    low.fill(0, low.length - 32);
    expect(codeOf(() => checkPublicKeyBlob(low))).toBe('key_weak');
  });
});
