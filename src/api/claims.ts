/**
 * The two extensions of a user certificate, `mfa@DOMAIN` and `claims@DOMAIN`: versioned JSON. sshd ignores extensions;
 * companions read them only after sshd has verified the signature, or after verifying it themselves. Rules for
 * changing: `v` grows when a reader that does not know the change must refuse.
 */
import { z } from 'zod';
import { accountName, slug, unixSeconds } from './common.ts';

export const certificateClaims = z
  .strictObject({
    v: z.literal(1),
    sub: accountName,
    org: slug,
    amr: z.array(z.string()),
    acr: z.string().nullable(),
    auth_time: unixSeconds,
    sid: z.uuid(),
    mode: z.enum(['interactive', 'token', 'ci', 'key', 'hop']),
    /** The highest role it may use; absent: whatever the account has. */
    max_role: z.enum(['viewer', 'contributor', 'admin']).optional(),
    /** The one machine that it is good for; absent: every machine. */
    machine: slug.optional(),
    /** Who acts for the account: the name of the gateway, in hop certificates and in no others. */
    act: slug.optional(),
  })
  .refine(({ mode, act }) => (mode === 'hop') === (act !== undefined), 'act and mode hop come together');

/** Absent from a certificate without MFA. */
export const certificateMfa = z.strictObject({
  v: z.literal(1),
  /** RFC 8176 method names. */
  methods: z.array(z.string()).min(1),
  /** Who vouched: the identity provider's issuer URL, or our own origin for a passkey enrolled here. Never both. */
  by: z.string(),
  /** When the second factor was given; absent: at auth_time. */
  time: unixSeconds.optional(),
});

export type CertificateClaims = z.infer<typeof certificateClaims>;
export type CertificateMfa = z.infer<typeof certificateMfa>;

export function claimsExtensionName(domain: string): string {
  return `claims@${domain}`;
}
export function mfaExtensionName(domain: string): string {
  return `mfa@${domain}`;
}
