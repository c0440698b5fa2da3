/** Checks the CA's signature under a certificate. Whether the certificate is in time or revoked is for its user to ask. */
import { verify } from 'node:crypto';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Certificate } from './certificate.ts';
import { fingerprint, toKeyObject } from './public-key.ts';

/**
 * Checks the signature with the CA key that the certificate itself names, which proves nothing about WHO signed.
 * @throws signature_invalid
 */
export function verifyCertificate(certificate: Certificate): void {
  const { toBeSigned, signature, caPublicKey } = certificate;
  if (!verify(null, toBeSigned, toKeyObject(caPublicKey), signature)) {
    throw new SallyportError(
      'signature_invalid',
      'The signature of the certificate does not match its content.',
    );
  }
}

/**
 * Checks that one of the trusted CAs made the certificate.
 * @param trustedCaBlobs key blobs; an empty list trusts nobody
 * @throws signature_invalid
 */
export function verifyCertificateBy(certificate: Certificate, trustedCaBlobs: readonly Buffer[]): void {
  if (!trustedCaBlobs.some((trusted) => trusted.equals(certificate.caPublicKey))) {
    throw new SallyportError(
      'signature_invalid',
      'The certificate was made by a CA that is not trusted here.',
      {
        detail: `signed by ${fingerprint(certificate.caPublicKey)}`,
      },
    );
  }
  verifyCertificate(certificate);
}
