import { expect, test } from 'vitest';
import type { CertificateFields, CertificateOption } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { parseCertificate, parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { readCertificate } from '../../src/ssh/read-certificate.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { certificate, comment } from './arbitraries.ts';
import { holds } from './holds.ts';

test('every certificate comes back from its bytes with the fields it was made of, and verifies', async () => {
  await holds(400, [certificate, comment], ({ fields, ca }, words) => {
    const toBeSigned = encodeToBeSigned(fields);
    const blob = assembleCertificate(toBeSigned, ca.sign(toBeSigned));
    const parsed = parseCertificateLine(`${certificateLine(blob, words)}\n`);

    verifyCertificateBy(parsed, [ca.blob]);
    expect(parsed).toMatchObject(sorted(fields));
    expect(parsed.blob.equals(blob)).toBe(true);
  });
});

test('every certificate is the same bytes when it is encoded again', async () => {
  await holds(300, [certificate], ({ fields, ca }) => {
    const toBeSigned = encodeToBeSigned(fields);
    const blob = assembleCertificate(toBeSigned, ca.sign(toBeSigned));
    const parsed = parseCertificate(blob);
    expect(assembleCertificate(encodeToBeSigned(parsed), parsed.signature).equals(blob)).toBe(true);
    expect(readCertificate(blob).toBeSigned.equals(toBeSigned)).toBe(true);
  });
});

test('no certificate is read with a byte missing at its end or one too many', async () => {
  await holds(100, [certificate], ({ fields, ca }) => {
    const toBeSigned = encodeToBeSigned(fields);
    const blob = assembleCertificate(toBeSigned, ca.sign(toBeSigned));
    expect(() => parseCertificate(blob.subarray(0, -1))).toThrow(
      expect.objectContaining({ code: 'certificate_malformed' }),
    );
    expect(() => parseCertificate(Buffer.concat([blob, Buffer.alloc(1)]))).toThrow(
      expect.objectContaining({ code: 'certificate_malformed' }),
    );
  });
});

/** Options stand in the order of their names. */
function sorted(fields: CertificateFields): CertificateFields {
  const byName = (options: readonly CertificateOption[]) =>
    options.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  return {
    ...fields,
    criticalOptions: byName(fields.criticalOptions),
    extensions: byName(fields.extensions),
  };
}
