/** POST /v1/companions/hop-certificates: what a gateway asks for, so that it can take a person on to one target. */
import { z } from 'zod';
import { keyLine, slug, sshsig, targetName, uint64, unixSeconds } from './common.ts';

export const hopCertificateRequest = z
  .strictObject({
    /** Names the request: sent again after a lost reply it gives the same certificate. */
    request_id: z.uuid(),
    /** How the person came to the gateway, exactly one of three. A certificate, whole: an OpenSSH certificate line. */
    source_certificate: keyLine.optional(),
    /** A registered key, as the state of the gateway has it. */
    registered_key: keyLine.optional(),
    /** The id of the use of a one-time code, as its verdict had it. */
    ssh_code_use: z.uuid().optional(),
    target: targetName,
    /** An authorized_keys line: a key made for this connection, and used for no other. */
    public_key: keyLine,
    /** Armored SSHSIG by that key over hopMessage(companion id, this request), namespace `hop@DOMAIN`. */
    signature: sshsig,
  })
  .refine((request) => sourcesOf(request).length === 1, {
    message: 'wants exactly one of source_certificate, registered_key and ssh_code_use',
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
  /** When the person's login session ends, for the welcome. */
  session_expires_at: unixSeconds.optional(),
});

export type HopCertificateRequest = z.infer<typeof hopCertificateRequest>;
export type HopCertificateReply = z.infer<typeof hopCertificateReply>;

export interface HopSource {
  readonly source_certificate?: string | undefined;
  readonly registered_key?: string | undefined;
  readonly ssh_code_use?: string | undefined;
}

/** The member that says how the person came, for the gateway: by the source of the offer that it let in. */
export const hopSourceMembers = {
  certificate: 'source_certificate',
  key: 'registered_key',
  code: 'ssh_code_use',
} as const satisfies Record<string, keyof HopSource>;

/**
 * The bytes under the signature: everything that is asked, and by which gateway. So the proof is good for nothing else;
 * the request id, which is good once, stands for a nonce.
 */
export function hopMessage(
  companionId: string,
  { request_id, target, ...source }: HopSource & { readonly request_id: string; readonly target: string },
): Buffer {
  const lines = ['sallyport hop', companionId, request_id, target, ...sourcesOf(source)];
  return Buffer.from(lines.map((line) => `${line}\n`).join(''), 'utf8');
}

/** A certificate stands for itself; what else there is says what it is, so that neither is taken for the other. */
function sourcesOf({ source_certificate, registered_key, ssh_code_use }: HopSource): string[] {
  return [
    ...(source_certificate === undefined ? [] : [source_certificate]),
    ...(registered_key === undefined ? [] : [`registered key ${registered_key}`]),
    ...(ssh_code_use === undefined ? [] : [`one-time code ${ssh_code_use}`]),
  ];
}
