/** A byte of something signed is changed on the way: nobody may be fooled, wherever it was and whatever it became. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSallyportError } from '../../src/errors/sallyport-error.ts';
import type { Certificate, CertificateFields } from '../../src/ssh/certificate.ts';
import { assembleCertificate, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { parseCertificate, parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { parseKrl } from '../../src/ssh/parse-krl.ts';
import { armor, unarmor } from '../../src/ssh/pem.ts';
import { signSshsig, verifySshsig } from '../../src/ssh/sshsig.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { meaningOf } from '../ssh/krl-meaning.ts';
import { userFields } from '../ssh/sample-certificate.ts';
import { certificate, keys } from './arbitraries.ts';
import { holds } from './holds.ts';
import { krl } from './krl-arbitraries.ts';

function flipped(bytes: Buffer, index: number, mask: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[index] = (copy[index] ?? 0) ^ mask;
  return copy;
}

/** Every byte of the input with each of its bits changed, or with one of them where all would take long. */
function everyFlip(bytes: Buffer, type: string): Buffer[] {
  const bits = ['ssh-ed25519', 'ecdsa-sha2-nistp256'].includes(type) ? [0, 1, 2, 3, 4, 5, 6, 7] : [0];
  return [...bytes.keys()].flatMap((index) =>
    bits.map((bit) => flipped(bytes, index, 1 << ((index + bit) % 8))),
  );
}

/** The error's code, or undefined if there was none; nothing but a SallyportError may come. */
function refusalOf(attempt: () => void): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    if (isSallyportError(error)) return error.code;
    throw error;
  }
}

/** Those of the changed certificates that fool somebody: neither refused by the parser, nor something else that nobody signed. */
function foolingOnes(original: Buffer, changes: Iterable<Buffer>, authority: Buffer): string[] {
  const { toBeSigned, ...own } = parseCertificate(original);
  const fooling: string[] = [];
  for (const changed of changes) {
    let parsed: Certificate;
    try {
      parsed = parseCertificate(changed);
    } catch (error) {
      if (isSallyportError(error)) continue;
      throw error;
    }
    const isRefused = refusalOf(() => verifyCertificateBy(parsed, [authority])) === 'signature_invalid';
    const isInSignature = changed.subarray(0, toBeSigned.length).equals(toBeSigned);
    if (!isRefused || !(isInSignature || meaning(parsed) !== meaning(own)))
      fooling.push(changed.toString('hex'));
  }
  return fooling;
}

function meaning({ type, ...fields }: CertificateFields & { type: string }): string {
  const values = fieldNames.map((name) => fields[name]);
  return JSON.stringify([type, ...values], (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
}

const fieldNames = [
  'kind',
  'publicKey',
  'nonce',
  'serial',
  'keyId',
  'principals',
  'validAfter',
  'validBefore',
  'criticalOptions',
  'extensions',
  'caPublicKey',
] as const;

test.each(keys.map((key, index) => [key.type, key, keys[(12 - index) % keys.length] ?? key] as const))(
  'no byte of a certificate for %s can be changed unnoticed',
  (_, subject, ca) => {
    const toBeSigned = encodeToBeSigned({ ...userFields, publicKey: subject.blob, caPublicKey: ca.blob });
    const blob = assembleCertificate(toBeSigned, ca.sign(toBeSigned));
    expect(foolingOnes(blob, everyFlip(blob, subject.type), ca.blob)).toEqual([]);
  },
);

test.each([
  ['for', 'key-cert.pub'],
  ['by', 'signed-by-key-cert.pub'],
])(
  'no byte of a certificate of OpenSSH %s a key of the ML-DSA hybrid can be changed unnoticed',
  (_, file) => {
    const line = readFileSync(new URL(`../ssh/vectors/mldsa/${file}`, import.meta.url), 'utf8');
    const { blob, caPublicKey } = parseCertificateLine(line);
    expect(foolingOnes(blob, everyFlip(blob, 'hybrid'), caPublicKey)).toEqual([]);
  },
);

const anyMask = fc.integer({ min: 1, max: 255 });

test('no byte of any certificate can be changed unnoticed, whatever it becomes', async () => {
  await holds(
    150,
    [certificate, fc.array(fc.tuple(fc.nat(), anyMask), { minLength: 10, maxLength: 10 })],
    ({ fields, ca }, flips) => {
      const toBeSigned = encodeToBeSigned(fields);
      const blob = assembleCertificate(toBeSigned, ca.sign(toBeSigned));
      const changes = flips.map(([place, mask]) => flipped(blob, place % blob.length, mask));
      expect(foolingOnes(blob, changes, ca.blob)).toEqual([]);
    },
  );
});

test.each(keys.map((key) => [key.type, key] as const))(
  'no byte of a detached signature by %s can be changed unnoticed',
  async (_, key) => {
    const claim = {
      message: Buffer.from('a message'),
      namespace: 'pop@example.org',
      publicKeyBlob: key.blob,
    };
    const armored = await signSshsig({ ...claim, sign: (bytes) => key.sign(bytes) });
    const body = unarmor('SSH SIGNATURE', armored) ?? Buffer.alloc(0);
    const isFooling = (changed: Buffer) =>
      refusalOf(() => verifySshsig({ ...claim, armored: armor('SSH SIGNATURE', changed) })) !==
      'signature_invalid';
    expect(everyFlip(body, key.type).filter(isFooling)).toEqual([]);
  },
);

test('no byte of a revocation list can be changed unnoticed: it is refused or revokes something else, and its signature is void', async () => {
  const [signer] = keys as [(typeof keys)[number]];
  const flips = fc.array(fc.tuple(fc.nat(), anyMask), { minLength: 20, maxLength: 20 });
  await holds(100, [krl, flips], async (list, changes) => {
    const bytes = encodeKrl(list);
    const own = meaningOf(parseKrl(bytes));
    const claim = { message: bytes, namespace: 'krl@example.org', publicKeyBlob: signer.blob };
    const armored = await signSshsig({ ...claim, sign: (signed) => signer.sign(signed) });
    for (const [place, mask] of changes) {
      const changed = flipped(bytes, place % bytes.length, mask);
      let meaning: string | undefined;
      const code = refusalOf(() => {
        meaning = meaningOf(parseKrl(changed));
      });
      expect(meaning === undefined ? code === 'krl_malformed' : meaning !== own).toBe(true);
      expect(refusalOf(() => verifySshsig({ ...claim, message: changed, armored }))).toBe(
        'signature_invalid',
      );
    }
  });
});
