/** POST /v1/certificates/challenge and POST /v1/certificates: what `sally` asks for and gets. */
import { z } from 'zod';
import { accountName, base64, keyLine, slug, sshsig, uint64, unixSeconds } from './common.ts';

/** A nonce to sign with the new SSH key, so that nobody certifies a key that they do not hold. */
export const possessionChallenge = z.strictObject({
  challenge: z.base64url().min(32).max(128),
  /** SSHSIG namespace (OpenSSH PROTOCOL.sshsig), `pop@DOMAIN`. */
  namespace: z.string(),
  expires_in_seconds: z.int().positive(),
});

export const environmentName = z.strictObject({ project: slug, environment: slug });

export const certificateRequest = z
  .strictObject({
    /** An authorized_keys line. */
    public_key: keyLine,
    /** Names the request: sent again after a lost reply it gives the same certificate. */
    request_id: z.uuid(),
    /** Absent: the key was proven in this session before, by a request that was to `keep` the proof. */
    possession: z
      .strictObject({
        challenge: z.string().min(32).max(128),
        /** Armored SSHSIG over possessionMessage(session id, challenge). */
        signature: sshsig,
        /** The key will be certified again in this session, as one in a security key is. */
        keep: z.literal(true).optional(),
        /** What `ssh-keygen -O write-attestation` wrote of a key that was made over this challenge. */
        attestation: base64.min(64).max(12_288).optional(),
      })
      .optional(),
    /** Narrows the certificate to one environment: it then names the roles there, for hosts without a companion. */
    environment: environmentName.optional(),
    /** Makes it good for one machine alone, for minutes: the fingerprint of that machine's host key. */
    machine: z
      .string()
      .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'is not a fingerprint such as SHA256:...')
      .optional(),
  })
  .refine(
    ({ environment, machine }) => environment === undefined || machine === undefined,
    'environment and machine exclude each other',
  );

export const certificateReply = z.strictObject({
  /** An OpenSSH certificate line. */
  certificate: keyLine,
  serial: uint64,
  key_id: z.string(),
  principals: z.array(z.string()).min(1),
  valid_after: unixSeconds,
  valid_before: unixSeconds,
  account: accountName,
});

/** GET /v1/key-policy: what the organization asks of the keys of whoever asks. */
export const keyPolicy = z.strictObject({
  hardware_keys: z.enum(['off', 'required', 'verified']),
  attestation: z.boolean(),
});

export type KeyPolicy = z.infer<typeof keyPolicy>;
export type PossessionChallenge = z.infer<typeof possessionChallenge>;
export type EnvironmentName = z.infer<typeof environmentName>;
export type CertificateRequest = z.infer<typeof certificateRequest>;
export type Possession = NonNullable<CertificateRequest['possession']>;
export type CertificateReply = z.infer<typeof certificateReply>;

/** The bytes under the possession signature: what is proven, for which session, with which nonce. */
export function possessionMessage(sessionId: string, challenge: string): Buffer {
  return Buffer.from(`sallyport possession of an SSH key\n${sessionId}\n${challenge}\n`, 'utf8');
}
