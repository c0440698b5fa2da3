/** Checks the CA's signature under a certificate. Whether the certificate is in time or revoked is for its user to ask. */
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Certificate } from './certificate.ts';
import { fingerprint } from './public-key.ts';
import { verifySignature } from './signature.ts';

/**
 * Checks the signature with the CA key that the certificate itself names, which proves nothing about WHO signed.
 * A CA in a security key must have been touched; OpenSSH does not ask for that.
 * @throws signature_invalid
 */
export function verifyCertificate(certificate: Certificate): void {
  const { toBeSigned, signature, caPublicKey } = certificate;
  verifySignature({ publicKey: caPublicKey, bytes: toBeSigned, signature });
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
