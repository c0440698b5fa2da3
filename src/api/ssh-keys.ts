/**
 * GET and POST /v1/ssh-keys, POST /v1/ssh-keys/:id/remove, POST /v1/ssh-keys/remove-all: keys that people log in with
 * instead of certificates, where their organization allows it. The challenge is that of certificates.
 */
import { z } from 'zod';
import { accountName, keyLine, sshsig, uint64, unixSeconds } from './common.ts';

const daySeconds = 86_400;
export const longestKeySeconds = 365 * daySeconds;
export const usualKeySeconds = 90 * daySeconds;

export const sshKeyRequest = z.strictObject({
  /** An authorized_keys line. */
  public_key: keyLine,
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,62}$/, 'is not a name such as laptop'),
  expires_in_seconds: z.int().min(60).max(longestKeySeconds).default(usualKeySeconds),
  possession: z.strictObject({
    challenge: z.string().min(32).max(128),
    /** Armored SSHSIG over registrationMessage(session id, challenge), namespace `pop@DOMAIN`. */
    signature: sshsig,
  }),
});

export const sshKeyDocument = z.strictObject({
  id: z.uuid(),
  account: accountName,
  name: z.string(),
  /** Such as ssh-ed25519. */
  type: z.string(),
  /** SHA256:... */
  fingerprint: z.string(),
  public_key: keyLine,
  created_at: unixSeconds,
  expires_at: unixSeconds,
  last_used_at: unixSeconds.nullable(),
  /** Whoever ends this login session ends the key. */
  session_id: z.uuid(),
});

export const sshKeyList = z.strictObject({ ssh_keys: z.array(sshKeyDocument) });

/** Whose: one's own, unless an admin names somebody else of the organization. */
export const sshKeysOf = z.strictObject({ account: accountName.optional() });

export const sshKeyRemoval = z.strictObject({
  removed: z.int().min(0),
  /** The state version that carries it; null if nothing had to be removed. */
  version: uint64.nullable(),
});

export type SshKeyDocument = z.infer<typeof sshKeyDocument>;
export type SshKeyList = z.infer<typeof sshKeyList>;
export type SshKeyRemoval = z.infer<typeof sshKeyRemoval>;

/** The bytes under the possession signature: not those for a certificate, so that neither proof is good for the other. */
export function registrationMessage(sessionId: string, challenge: string): Buffer {
  return Buffer.from(`sallyport registration of an SSH key\n${sessionId}\n${challenge}\n`, 'utf8');
}
