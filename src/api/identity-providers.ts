/** /v1/identity-providers and /v1/accounts/:account/identities. */
import { z } from 'zod';
import { slug, unixSeconds } from './common.ts';

const clientSecret = z.string().min(1).max(4_096);
/** Checked field by field where it is used: see docs/identity-providers.md. */
const settings = z.record(z.string(), z.unknown());
const subject = z.string().regex(/^[\x20-\x7e]{1,255}$/, 'is not a subject: 1 to 255 ASCII characters');

export const newIdentityProvider = z.strictObject({
  slug,
  settings,
  client_secret: clientSecret,
  enabled: z.boolean().default(true),
});

export const identityProviderChange = z.strictObject({
  version: z.int().min(1),
  settings: settings.optional(),
  client_secret: clientSecret.optional(),
  enabled: z.boolean().optional(),
});

/** One as admins see it. The client secret is never shown. */
export const identityProviderDocument = z.strictObject({
  slug,
  /** configuration: the operator's, which can't be changed here. */
  source: z.enum(['configuration', 'console']),
  enabled: z.boolean(),
  version: z.int().nullable(),
  settings,
  /** To be registered at the provider. */
  redirect_uri: z.string(),
  back_channel_logout_uri: z.string(),
});

export const identityLink = z.strictObject({ provider: slug, subject });
export const identityUnlink = z.strictObject({ issuer: z.string().min(1).max(2_048), subject });

export const identityList = z.strictObject({
  identities: z.array(z.strictObject({ issuer: z.string(), subject: z.string(), linked_at: unixSeconds })),
});

export type IdentityProviderDocument = z.infer<typeof identityProviderDocument>;
export type IdentityList = z.infer<typeof identityList>;
