/** GET and POST /v1/accounts, POST /v1/accounts/:account/disable, .../enable: the organization's people and machines. */
import { z } from 'zod';
import { role } from './api-tokens.ts';
import { accountName, unixSeconds } from './common.ts';

export const accountDocument = z.strictObject({
  name: accountName,
  display_name: z.string(),
  kind: z.enum(['person', 'machine']),
  disabled: z.boolean(),
  /** On the whole organization, null if none. */
  role: role.nullable(),
  groups: z.array(z.string()),
  live_sessions: z.int().min(0),
  created_at: unixSeconds,
  /** Until when the operator made them an admin in an emergency, and why. */
  break_glass: z.strictObject({ expires_at: unixSeconds, reason: z.string() }).nullable(),
});

export const accountList = z.strictObject({ accounts: z.array(accountDocument) });

/** People come into being by logging in; this makes an account for API tokens and CI rules. */
export const newAccount = z.strictObject({
  name: accountName,
  kind: z.literal('machine'),
  display_name: z.string().min(1).max(200),
});

export type AccountDocument = z.infer<typeof accountDocument>;
