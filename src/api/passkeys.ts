/**
 * One's own: GET /v1/passkeys, POST /v1/passkeys/:id/remove. Admins': POST /v1/accounts/:account/passkeys/reset. They are
 * enrolled in the browser, within a login.
 */
import { z } from 'zod';
import { unixSeconds } from './common.ts';

export const passkeyDocument = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  /** AAGUID: what its authenticator says that it is. */
  model: z.uuid(),
  /** Whether it is copied between devices, as its authenticator says. */
  backed_up: z.boolean(),
  created_at: unixSeconds,
  last_used_at: unixSeconds.nullable(),
});

export const passkeyList = z.strictObject({
  passkeys: z.array(passkeyDocument),
  recovery_codes_left: z.int().min(0),
});

export const passkeysReset = z.strictObject({ removed: z.int().min(0) });

export type PasskeyDocument = z.infer<typeof passkeyDocument>;
export type PasskeyList = z.infer<typeof passkeyList>;
export type PasskeysReset = z.infer<typeof passkeysReset>;
