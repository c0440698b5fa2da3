/** The only place where a CA key touches a certificate: stored bytes in, a checked certificate out. */
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { Certificate } from '../ssh/certificate.ts';
import { assembleCertificate } from '../ssh/encode-certificate.ts';
import { parseCertificate } from '../ssh/parse-certificate.ts';
import { signatureAlgorithmInside } from '../ssh/signature.ts';
import { verifyCertificateBy } from '../ssh/verify-certificate.ts';
import type { Signer } from './signer.ts';

/**
 * Signs bytes that are stored already, and believes neither the signer nor the encoder: the result is read again from
 * its first byte, must hold exactly the stored bytes and the signer's own algorithm, and must verify with the CA's
 * public key.
 * @param signer of the key that the bytes were stored for; undefined if that key signs no more
 * @throws signer_failed; then nothing may be handed out, and the stored bytes can be signed at the next try
 */
export async function signCertificate(toBeSigned: Buffer, signer: Signer | undefined): Promise<Certificate> {
  try {
    if (signer === undefined) throw new Error('the CA key of the stored bytes signs no more');
    const signature = await signer.sign(toBeSigned);
    const algorithm = signatureAlgorithmInside(signature);
    if (algorithm !== signer.algorithm)
      throw new Error(`signed with ${algorithm} instead of ${signer.algorithm}`);
    const certificate = parseCertificate(assembleCertificate(toBeSigned, signature));
    if (!certificate.toBeSigned.equals(toBeSigned))
      throw new Error('the signed bytes are not the stored ones');
    verifyCertificateBy(certificate, [signer.publicKey]);
    return certificate;
  } catch (error) {
    throw signerFailed(error);
  }
}

/** What is said of a CA key that did not sign, or signed wrongly. */
export function signerFailed(error: unknown): SallyportError {
  return new SallyportError('signer_failed', 'The CA key could not sign. Try again in a moment.', {
    detail: isSallyportError(error) ? whole(error) : String(error),
    cause: error,
  });
}

/** What a signer says is for the operator: neither its message nor its detail is for who wants a certificate. */
function whole({ code, message, detail }: SallyportError): string {
  return `${code}: ${message}${detail === undefined ? '' : ` (${detail})`}`;
}
