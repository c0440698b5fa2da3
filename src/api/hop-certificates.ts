/** POST /v1/companions/hop-certificates: what a gateway asks for, so that it can take a person on to one target. */
import { z } from 'zod';
import { keyLine, slug, sshsig, targetName, uint64, unixSeconds } from './common.ts';

export const hopCertificateRequest = z.strictObject({
  /** Names the request: sent again after a lost reply it gives the same certificate. */
  request_id: z.uuid(),
  /** The certificate by which the person came to the gateway, whole: an OpenSSH certificate line. */
  source_certificate: keyLine,
  target: targetName,
  /** An authorized_keys line: a key made for this connection, and used for no other. */
  public_key: keyLine,
  /** Armored SSHSIG by that key over hopMessage(companion id, this request), namespace `hop@DOMAIN`. */
  signature: sshsig,
});

export const hopCertificateReply = z.strictObject({
  /** An OpenSSH certificate line. */
  certificate: keyLine,
  serial: uint64,
  key_id: z.string(),
  /** The host that it is for. */
  host: slug,
  valid_after: unixSeconds,
  valid_before: unixSeconds,
});

export type HopCertificateRequest = z.infer<typeof hopCertificateRequest>;
export type HopCertificateReply = z.infer<typeof hopCertificateReply>;

/**
 * The bytes under the signature: everything that is asked, and by which gateway. So the proof is good for nothing else;
 * the request id, which is good once, stands for a nonce.
 */
export function hopMessage(
  companionId: string,
  { request_id, target, source_certificate }: Omit<HopCertificateRequest, 'public_key' | 'signature'>,
): Buffer {
  const lines = ['sallyport hop', companionId, request_id, target, source_certificate];
  return Buffer.from(lines.map((line) => `${line}\n`).join(''), 'utf8');
}
