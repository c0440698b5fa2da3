/**
 * Logins under way at an identity provider. Only digests of the `state` and of the browser's secret are stored, so the
 * row says nothing to whoever reads the table, and a reply counts only in the browser that asked.
 */
import { sql } from 'kysely';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { tokenHash } from '../secrets/token.ts';

const payloadSchema = z.strictObject({
  /** Slug of the provider that it is under way at: another's reply does not count. */
  provider: z.string(),
  purpose: z.record(z.string(), z.unknown()),
  nonce: z.string(),
  codeVerifier: z.string(),
  /** Unix seconds. */
  startedAt: z.int(),
  /** null: the provider does not do that. */
  maxAgeSeconds: z.int().nullable(),
  /** A login at the provider from before this one does not do. */
  fresh: z.boolean(),
});

export type LoginState = z.infer<typeof payloadSchema>;

interface ReceivedState {
  /** Slug of the provider whose redirect URI was called. */
  readonly provider: string;
  readonly state: string;
  readonly browserSecret: string | undefined;
}

const lifetimeMilliseconds = 15 * 60_000;

export async function saveLoginState(
  db: Database,
  { state, browserSecret }: { readonly state: string; readonly browserSecret: string },
  payload: LoginState,
  now: Date,
): Promise<void> {
  await db
    .insertInto('login_states')
    .values({
      state_hash: tokenHash(state),
      browser_hash: tokenHash(browserSecret),
      payload: JSON.stringify(payload),
      expires_at: new Date(now.getTime() + lifetimeMilliseconds),
    })
    .execute();
}

/**
 * Takes the login of `state`; nobody can take it again. An attempt in another browser, or with the reply of another
 * provider (mix-up, RFC 9700 section 4.4), leaves it where it is.
 * @throws login_state_invalid
 */
export async function consumeLoginState(
  db: Database,
  { provider, state, browserSecret }: ReceivedState,
  now: Date,
): Promise<LoginState> {
  if (browserSecret === undefined || browserSecret === '' || state === '') throw stateInvalid();
  const row = await db
    .deleteFrom('login_states')
    .where('state_hash', '=', tokenHash(state))
    .where('browser_hash', '=', tokenHash(browserSecret))
    .where(sql`payload ->> 'provider'`, '=', provider)
    .where('expires_at', '>', now)
    .returning('payload')
    .executeTakeFirst();
  if (row === undefined) throw stateInvalid();
  return payloadSchema.parse(row.payload);
}

/** The one `state` of a reply. @throws login_state_invalid if it is missing, empty or given twice */
export function stateOf(callbackUrl: URL): string {
  const states = callbackUrl.searchParams.getAll('state');
  const [state] = states;
  if (states.length !== 1 || !state) throw stateInvalid();
  return state;
}

export function stateInvalid(): SallyportError {
  return new SallyportError(
    'login_state_invalid',
    'This login was not started in this browser, has expired, or is finished already. Go back to where you came from ' +
      'and start again; on a terminal run: sally login',
  );
}
