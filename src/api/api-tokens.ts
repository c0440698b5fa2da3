/** POST /v1/api-tokens, GET /v1/api-tokens, POST /v1/api-tokens/:id/revoke. */
import { z } from 'zod';
import { accountName, uint64, unixSeconds } from './common.ts';

export const role = z.enum(['viewer', 'contributor', 'admin']);

/** What people and scanners see of a credential: one line of printable text. */
export const credentialName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}[A-Za-z0-9]$|^[A-Za-z0-9]$/,
    'is not a name such as nightly backup',
  );

export const longestTokenLifeSeconds = 365 * 86_400;
export const shortestTokenLifeSeconds = 300;
export const usualTokenLifeSeconds = 90 * 86_400;

export const apiTokenRequest = z.strictObject({
  name: credentialName,
  /** Whose it will be: one's own account if left out; admins may name a machine account of their organization. */
  account: accountName.optional(),
  /** The highest role that it can use; what its owner may not do, it may not do either. */
  role_limit: role,
  expires_in_seconds: z
    .int()
    .min(shortestTokenLifeSeconds, 'is under 5 minutes')
    .max(longestTokenLifeSeconds, 'is over a year')
    .default(usualTokenLifeSeconds),
  /** Addresses and networks that it may be used from, such as 192.0.2.0/24; empty: from everywhere. */
  source_ranges: z.array(z.string().max(64)).max(32).default([]),
});

export const apiTokenDocument = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  account: accountName,
  /** The beginning of the token: enough to find it, not to use it. */
  hint: z.string(),
  role_limit: role,
  source_ranges: z.array(z.string()),
  created_by: accountName,
  created_at: unixSeconds,
  expires_at: unixSeconds,
  /** At most a minute behind. */
  last_used_at: unixSeconds.nullable(),
  last_used_address: z.string().nullable(),
  revoked_at: unixSeconds.nullable(),
  revoked_by: z.string().nullable(),
});

/** The only time that the token is shown. */
export const newApiToken = z.strictObject({ token: z.string(), api_token: apiTokenDocument });

export const apiTokenList = z.strictObject({ api_tokens: z.array(apiTokenDocument) });

export const credentialRevocation = z.strictObject({
  id: z.uuid(),
  sessions_ended: z.int().min(0),
  /** The state version that carries it; null if nothing had to be ended. */
  version: uint64.nullable(),
});

export type ApiTokenDocument = z.infer<typeof apiTokenDocument>;
export type NewApiToken = z.infer<typeof newApiToken>;
export type ApiTokenList = z.infer<typeof apiTokenList>;
export type CredentialRevocation = z.infer<typeof credentialRevocation>;
