/**
 * Logins under way at an identity provider. Only digests of the `state` and of the browser's secret are stored, so the
 * row says nothing to whoever reads the table, and a reply counts only in the browser that asked.
 */
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { tokenHash } from '../secrets/token.ts';

const payloadSchema = z.strictObject({
  purpose: z.record(z.string(), z.unknown()),
  nonce: z.string(),
  codeVerifier: z.string(),
  /** Unix seconds. */
  startedAt: z.int(),
  maxAgeSeconds: z.int(),
  /** A login at the provider from before this one does not do. */
  fresh: z.boolean(),
});

export type LoginState = z.infer<typeof payloadSchema>;

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
 * Takes the login of `state`; nobody can take it again. Another browser's attempt leaves it where it is.
 * @throws login_state_invalid
 */
export async function consumeLoginState(
  db: Database,
  { state, browserSecret }: { readonly state: string; readonly browserSecret: string | undefined },
  now: Date,
): Promise<LoginState> {
  if (browserSecret === undefined || browserSecret === '' || state === '') throw stateInvalid();
  const row = await db
    .deleteFrom('login_states')
    .where('state_hash', '=', tokenHash(state))
    .where('browser_hash', '=', tokenHash(browserSecret))
    .where('expires_at', '>', now)
    .returning('payload')
    .executeTakeFirst();
  if (row === undefined) throw stateInvalid();
  return payloadSchema.parse(row.payload);
}

export function stateInvalid(): SallyportError {
  return new SallyportError(
    'login_state_invalid',
    'This login was not started in this browser, has expired, or is finished already. Go back to where you came from ' +
      'and start again; on a terminal run: sally login',
  );
}
