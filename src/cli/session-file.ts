/**
 * `session.json`: the login, as this machine knows it. Changes to its shape get a new `v`; a file of an unknown `v` counts
 * as no login. Version 3 added `secrets` and `key`; a file of version 2 is read as one of the default of both.
 */
import { unlink } from 'node:fs/promises';
import { z } from 'zod';
import { accountName, slug, unixSeconds } from '../api/common.ts';
import type { OwnSession } from '../api/sessions.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { readPrivateFile, writeFileAtomically } from '../files/write-file.ts';
import type { SallyContext } from './context.ts';
import { parseServerUrl } from './server-url.ts';

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

/** Where the private key of the certificate is: a file that each renewal replaces, a security key, or the person's agent. */
const sshKey = z.discriminatedUnion('kind', [
  /** Absent: of the type that this machine is for. */
  z.strictObject({ kind: z.literal('file'), type: z.enum(['ed25519', 'ecdsa', 'rsa']).optional() }),
  z.strictObject({
    kind: z.literal('sk'),
    public_key: z.string(),
    key_file: z.string(),
    /** What talks to security keys, where it is not ssh's own (SSH_SK_PROVIDER). */
    provider: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('agent'), public_key: z.string() }),
]);

const storedSession = z.strictObject({
  v: z.literal(3),
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
  /** Where the tokens and the DPoP key are: here, or here but sealed with a key that the system's keychain holds. */
  secrets: z.enum(['file', 'keychain']),
  key: sshKey,
  /** What the server wants in the next proof of the key (RFC 9449 section 8). */
  dpop_nonce: z.string().nullable(),
  /** Which credential of the environment this came from: the SHA-256 of what tells it from others. */
  credential: z.string().nullable(),
});

const sealedSession = storedSession.omit({ tokens: true, dpop_key: true, secrets: true }).extend({
  secrets: z.literal('keychain'),
  has_tokens: z.boolean(),
  /** base64url (keychain/seal-secrets.ts) */
  sealed: z.base64url(),
});
const sealedSecrets = z.strictObject({ tokens: tokens.nullable(), dpop_key: dpopKey });

const storedDocument = z.union([storedSession.extend({ secrets: z.literal('file') }), sealedSession]);
const documentOfVersion2 = storedSession.omit({ secrets: true, key: true }).extend({ v: z.literal(2) });

export type Tokens = z.infer<typeof tokens>;
export type DpopKey = z.infer<typeof dpopKey>;
export type StoredSession = z.infer<typeof storedSession>;
/** One that still has its tokens. */
export type LiveSession = StoredSession & { readonly tokens: Tokens };

/** What reading and writing a session takes. */
export type SessionPlace = Pick<SallyContext, 'paths' | 'debug' | 'keychain'>;

/** What is known of a login without its secrets, which a keychain may want to ask the person for. */
export type SessionFacts = Omit<StoredSession, 'tokens' | 'dpop_key'> & { readonly has_tokens: boolean };

/**
 * @throws file_refused if others may read the file, or it is not a regular file of this user
 * @throws keychain_failed if its secrets are in a keychain that does not give them
 */
export async function readSession(place: SessionPlace): Promise<StoredSession | undefined> {
  const found = await readDocument(place);
  if (!found) return undefined;
  const session = found.secrets === 'file' ? found : await unsealed(place, found);
  for (const secret of [session.tokens?.access_token, session.tokens?.refresh_token, session.dpop_key.d]) {
    if (secret) place.debug.redact(secret);
  }
  return session;
}

/** @throws file_refused */
export async function readSessionFacts(place: SessionPlace): Promise<SessionFacts | undefined> {
  const found = await readDocument(place);
  if (!found) return undefined;
  if (found.secrets === 'keychain') {
    const { sealed, ...facts } = found;
    return facts;
  }
  const { tokens, dpop_key, ...facts } = found;
  return { ...facts, has_tokens: tokens !== null };
}

/** @throws keychain_failed: nothing was written then */
export async function writeSession(place: SessionPlace, session: StoredSession): Promise<void> {
  const checked = storedSession.parse(session);
  const document = checked.secrets === 'file' ? checked : await sealedDocument(place, checked);
  await writeFileAtomically(place.paths.session, `${JSON.stringify(document, null, 2)}\n`, { mode: 0o600 });
}

/** The key in the keychain goes too. */
export async function deleteSession(place: SessionPlace): Promise<void> {
  const { paths } = place;
  await forgetKeychainKey(place);
  await unlink(paths.session).catch(ignoreMissing);
}

async function readDocument({
  paths,
  debug,
}: SessionPlace): Promise<z.infer<typeof storedDocument> | undefined> {
  const bytes = await readPrivateFile(paths.session);
  if (!bytes) return undefined;
  const session = parseSession(bytes);
  if (!session) {
    debug.say('session.json is not readable as a session; counts as no login');
    return undefined;
  }
  parseServerUrl(session.server);
  return session;
}

async function unsealed(
  place: SessionPlace,
  { sealed, has_tokens, ...facts }: z.infer<typeof sealedSession>,
): Promise<StoredSession> {
  const { openSecrets } = await import('./keychain/seal-secrets.ts');
  const text = await openSecrets(place, { sessionId: facts.session_id, sealed });
  return { ...facts, ...sealedSecrets.parse(JSON.parse(text)) };
}

async function sealedDocument(
  place: SessionPlace,
  { tokens, dpop_key, ...facts }: StoredSession,
): Promise<z.infer<typeof sealedSession>> {
  const { sealSecrets } = await import('./keychain/seal-secrets.ts');
  const text = JSON.stringify({ tokens, dpop_key });
  const sealed = await sealSecrets(place, { sessionId: facts.session_id, text });
  return { ...facts, secrets: 'keychain', has_tokens: tokens !== null, sealed };
}

async function forgetKeychainKey(place: SessionPlace): Promise<void> {
  const found = await readDocument(place).catch(() => undefined);
  if (found?.secrets !== 'keychain') return;
  const { forgetSecrets } = await import('./keychain/seal-secrets.ts');
  await forgetSecrets(place);
}

/** What is stored of a session that the server has described. */
export function sessionToStore(
  { session, organization, role }: OwnSession,
  rest: Pick<
    StoredSession,
    'server' | 'token_endpoint' | 'mode' | 'dpop_key' | 'dpop_nonce' | 'credential' | 'secrets' | 'key'
  > & { tokens: Tokens },
): LiveSession {
  return {
    v: 3,
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

function parseSession(bytes: Buffer): z.infer<typeof storedDocument> | undefined {
  try {
    const document: unknown = JSON.parse(bytes.toString('utf8'));
    const earlier = documentOfVersion2.safeParse(document).data;
    if (earlier) return { ...earlier, v: 3, secrets: 'file', key: { kind: 'file' } };
    return storedDocument.safeParse(document).data;
  } catch {
    return undefined;
  }
}
