/**
 * One's own: GET /v1/session, POST /v1/session/end, GET /v1/sessions/own, POST /v1/sessions/own/end, POST
 * /v1/sessions/own/:id/end. Admins': GET /v1/sessions, POST /v1/sessions/:id/revoke, POST /v1/sessions/revoke-before,
 * POST /v1/accounts/:account/sessions/revoke.
 */
import { z } from 'zod';
import { accountName, slug, uint64, unixSeconds } from './common.ts';

export const sessionDocument = z.strictObject({
  id: z.uuid(),
  account: accountName,
  kind: z.enum(['helper', 'browser', 'token', 'ci', 'key']),
  /** The identity provider; null where none vouched. */
  provider: z.string().nullable(),
  mfa: z.boolean(),
  /** Who vouched for the second factor. */
  mfa_by: z.enum(['provider', 'passkey']).nullable(),
  mfa_time: unixSeconds.nullable(),
  amr: z.array(z.string()),
  auth_time: unixSeconds,
  created_at: unixSeconds,
  last_used_at: unixSeconds,
  expires_at: unixSeconds,
  /** When it is over unless it is used before; null: it has no such limit. */
  idle_ends_at: unixSeconds.nullable(),
  ended_at: unixSeconds.nullable(),
  ended_reason: z.string().nullable(),
  client_address: z.string().nullable(),
  client_name: z.string().nullable(),
  /** The API token or CI rule that gave it. */
  credential_id: z.uuid().nullable(),
  /** Live SSH connections of this session, as companions report them. */
  connections: z.int().min(0),
  /** Certificates of this session that are still within their time. */
  certificates: z.int().min(0),
});

export const ownSession = z.strictObject({
  session: sessionDocument,
  organization: slug,
  /** Role on the whole organization, null if none. */
  role: z.enum(['viewer', 'contributor', 'admin']).nullable(),
  /** The login name of the account's menu at gateways: `ssh NUMBER@gateway.sallyport`. */
  account_number: z.int().positive().optional(),
});

export const sessionList = z.strictObject({ sessions: z.array(sessionDocument) });

const carriedOut = {
  /** The state version that carries the revocation. */
  version: uint64,
  certificates_revoked: z.int().min(0),
  /** What became of it at each companion when the reply was written. */
  companions: z.array(
    z.strictObject({
      name: z.string(),
      kind: z.enum(['gateway', 'host']),
      acknowledged: z.boolean(),
      connections_ended: z.int().min(0),
    }),
  ),
};

export const revocationReply = z.strictObject({ session: z.uuid(), account: accountName, ...carriedOut });

export const sessionsEnded = z.strictObject({
  /** How many. */
  ended: z.int().min(0),
  ...carriedOut,
});
export const ownSessionsEnded = z.strictObject({ ...sessionsEnded.shape });

export const ownSessionsEnd = z.strictObject({
  /** Whether the session of the token that asks goes on. */
  except_current: z.boolean(),
});

export const revokeBefore = z.strictObject({
  /** Every session that began before; not in the future. */
  before: unixSeconds,
});

export type SessionDocument = z.infer<typeof sessionDocument>;
export type OwnSession = z.infer<typeof ownSession>;
export type SessionsEnded = z.infer<typeof sessionsEnded>;
export type RevocationReply = z.infer<typeof revocationReply>;
