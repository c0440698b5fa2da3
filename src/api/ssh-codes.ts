/** POST /v1/ssh-codes, and POST /v1/companions/ssh-codes/verify for gateways. */
import { z } from 'zod';
import { accountName, slug, targetName, unixSeconds } from './common.ts';

export const mostCodeUses = 10;

export const sshCodeRequest = z.strictObject({
  uses: z.int().min(1).max(mostCodeUses).default(1),
  /** The only target that it is good for. */
  target: targetName,
});

/** The only time that the code is shown. */
export const sshCodeReply = z.strictObject({
  /** 28 characters in groups of four; case, spaces and hyphens do not matter when it is typed. */
  code: z.string(),
  account: accountName,
  uses: z.int().min(1),
  target: targetName,
  expires_at: unixSeconds,
});

export const sshCodeCheck = z.strictObject({
  /** As it was typed: whose it is, it says itself. */
  code: z.string().min(1).max(200),
  /** Where the person wants to go. */
  target: targetName,
  /** Where the person comes from. */
  source_address: z.union([z.ipv4(), z.ipv6()]).nullable().default(null),
});

/** One shape for every refusal: why is for the audit log, not for whoever guesses. */
export const sshCodeVerdict = z.discriminatedUnion('accepted', [
  z.strictObject({ accepted: z.literal(false) }),
  z.strictObject({
    accepted: z.literal(true),
    /** Names this use in requests for hop certificates, and until when it may. */
    use: z.strictObject({ id: z.uuid(), expires_at: unixSeconds }),
    /** What a certificate of the session would say now: the companion decides with it as with a certificate. */
    session: z.strictObject({
      account: accountName,
      organization: slug,
      session_id: z.uuid(),
      mode: z.literal('interactive'),
      amr: z.array(z.string()),
      acr: z.string().nullable(),
      auth_time: unixSeconds,
      mfa: z.boolean(),
      mfa_by: z.enum(['provider', 'passkey']).nullable(),
      mfa_methods: z.array(z.string()),
      mfa_time: unixSeconds.nullable(),
      max_role: z.enum(['viewer', 'contributor', 'admin']).nullable(),
      expires_at: unixSeconds,
    }),
  }),
]);

export type SshCodeReply = z.infer<typeof sshCodeReply>;
export type SshCodeCheck = z.infer<typeof sshCodeCheck>;
export type SshCodeVerdict = z.infer<typeof sshCodeVerdict>;
