/**
 * `session.json`: the login, as this machine knows it. Changes to its shape get a new `v`; a file of another `v` counts
 * as no login.
 */
import { unlink } from 'node:fs/promises';
import { z } from 'zod';
import { accountName, slug, unixSeconds } from '../api/common.ts';
import type { OwnSession } from '../api/sessions.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { readPrivateFile, writeFileAtomically } from '../files/write-file.ts';
import type { DebugLog } from './debug-log.ts';
import { parseServerUrl } from './server-url.ts';
import type { StatePaths } from './state-paths.ts';

const tokens = z.strictObject({
  access_token: z.string(),
  access_token_expires_at: unixSeconds,
  /** null: a machine, which shows its credential again. */
  refresh_token: z.string().nullable(),
});

/** An ES256 private key (RFC 7518 section 6.2); the tokens are bound to it (RFC 9449). */
const dpopKey = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  d: z.string(),
});

const storedSession = z.strictObject({
  v: z.literal(2),
  server: z.url(),
  token_endpoint: z.url(),
  account: accountName,
  organization: slug,
  role: z.string().nullable(),
  session_id: z.uuid(),
  mode: z.enum(['person', 'machine']),
  /** Slug of the identity provider; null: none, or not told. */
  provider: z.string().nullable(),
  mfa: z.boolean(),
  /** Who vouched for the second factor. */
  mfa_by: z.enum(['provider', 'passkey']).nullable(),
  /** When it was given. */
  mfa_time: unixSeconds.nullable(),
  amr: z.array(z.string()),
  expires_at: unixSeconds,
  /** Unix seconds when the server said that the session is over; the tokens are gone then. */
  over_since: unixSeconds.nullable(),
  tokens: tokens.nullable(),
  dpop_key: dpopKey,
  /** What the server wants in the next proof of the key (RFC 9449 section 8). */
  dpop_nonce: z.string().nullable(),
  /** Which credential of the environment this came from: the SHA-256 of what tells it from others. */
  credential: z.string().nullable(),
});

export type Tokens = z.infer<typeof tokens>;
export type DpopKey = z.infer<typeof dpopKey>;
export type StoredSession = z.infer<typeof storedSession>;
/** One that still has its tokens. */
export type LiveSession = StoredSession & { readonly tokens: Tokens };

/** @throws file_refused if others may read the file, or it is not a regular file of this user */
export async function readSession(paths: StatePaths, debug: DebugLog): Promise<StoredSession | undefined> {
  const bytes = await readPrivateFile(paths.session);
  if (!bytes) return undefined;
  const session = parseSession(bytes);
  if (!session) {
    debug.say('session.json is not readable as a session; counts as no login');
    return undefined;
  }
  parseServerUrl(session.server);
  for (const secret of [session.tokens?.access_token, session.tokens?.refresh_token, session.dpop_key.d]) {
    if (secret) debug.redact(secret);
  }
  return session;
}

export async function writeSession(paths: StatePaths, session: StoredSession): Promise<void> {
  await writeFileAtomically(paths.session, `${JSON.stringify(storedSession.parse(session), null, 2)}\n`, {
    mode: 0o600,
  });
}

export async function deleteSession(paths: StatePaths): Promise<void> {
  await unlink(paths.session).catch(ignoreMissing);
}

/** What is stored of a session that the server has described. */
export function sessionToStore(
  { session, organization, role }: OwnSession,
  rest: Pick<
    StoredSession,
    'server' | 'token_endpoint' | 'mode' | 'dpop_key' | 'dpop_nonce' | 'credential'
  > & { tokens: Tokens },
): LiveSession {
  return {
    v: 2,
    account: session.account,
    organization,
    role,
    session_id: session.id,
    provider: session.provider,
    mfa: session.mfa,
    mfa_by: session.mfa_by,
    mfa_time: session.mfa_time,
    amr: session.amr,
    expires_at: session.expires_at,
    over_since: null,
    ...rest,
  };
}

/** A session that still has its tokens. @throws token_missing, session_ended */
export function liveSession(session: StoredSession | undefined): LiveSession {
  if (!session) throw new SallyportError('token_missing', 'Nobody is logged in here. Run: sally login');
  if (!session.tokens) throw sessionOver();
  return { ...session, tokens: session.tokens };
}

export function sessionOver(): SallyportError {
  return new SallyportError('session_ended', 'session expired, run: sally login');
}

export function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

function parseSession(bytes: Buffer): StoredSession | undefined {
  try {
    return storedSession.safeParse(JSON.parse(bytes.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}
