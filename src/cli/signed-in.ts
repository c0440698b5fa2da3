/** A request as the person who is logged in, with tokens that are renewed on the way if they must be. */
import { isSallyportError } from '../errors/sallyport-error.ts';
import { type ApiRequest, callApi, refreshSession } from './api-client.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { liveSession, readSession, type StoredSession, sessionOver, type Tokens } from './session-file.ts';
import { endedByServer, rememberOver } from './session-over.ts';
import { withStateLock } from './state-folder.ts';

/** A token with less than this left may be over when it arrives. */
const marginSeconds = 20;

/** @throws token_missing, session_ended; what the server refuses with; unavailable */
export async function callSignedIn<Reply>(context: SallyContext, request: ApiRequest<Reply>): Promise<Reply> {
  const session = await withFreshTokens(context);
  try {
    return await callApi(context, session, request);
  } catch (error) {
    if (!isSallyportError(error) || !endedByServer(error)) throw error;
    await withStateLock(context.paths, () => rememberOver(context));
    throw sessionOver();
  }
}

async function withFreshTokens(context: SallyContext): Promise<StoredSession & { tokens: Tokens }> {
  const isGood = ({ tokens }: { tokens: Tokens }) =>
    tokens.access_token_expires_at - marginSeconds > nowSeconds(context);
  const session = liveSession(await readSession(context.paths, context.debug));
  if (isGood(session)) return session;
  return await withStateLock(context.paths, async () => {
    // Somebody else may have renewed them while this waited for the lock.
    const current = liveSession(await readSession(context.paths, context.debug));
    if (isGood(current)) return current;
    try {
      return await refreshSession(context, current);
    } catch (error) {
      if (!isSallyportError(error) || !endedByServer(error)) throw error;
      await rememberOver(context);
      throw sessionOver();
    }
  });
}
