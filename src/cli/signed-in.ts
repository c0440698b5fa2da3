/**
 * A request in the name of who is logged in, person or machine, with tokens that are renewed on the way if they must be. A
 * request that wants a stronger login is made again after one, where there is a person to log in.
 */
import { isSallyportError } from '../errors/sallyport-error.ts';
import { type ApiRequest, callApi, refreshSession } from './api-client.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { machineSession, recognizeMachine } from './machine-session.ts';
import { type LiveSession, liveSession, readSession, sessionOver } from './session-file.ts';
import { endedByServer, rememberOver } from './session-over.ts';
import { withStateLock } from './state-folder.ts';
import { afterStepUp } from './step-up.ts';

/** A token with less than this left may be over when it arrives. */
const marginSeconds = 20;

/** @throws token_missing, session_ended; what the server refuses with; unavailable */
export async function callSignedIn<Reply>(context: SallyContext, request: ApiRequest<Reply>): Promise<Reply> {
  return await afterStepUp(context, () => callOnce(context, request));
}

async function callOnce<Reply>(context: SallyContext, request: ApiRequest<Reply>): Promise<Reply> {
  const session = await withFreshTokens(context);
  try {
    return await callApi(context, session, request);
  } catch (error) {
    if (!isSallyportError(error) || !endedByServer(error) || context.machine) throw error;
    await withStateLock(context.paths, () => rememberOver(context));
    throw sessionOver();
  }
}

/** The session with an access token that lasts for a request. */
export async function withFreshTokens(context: SallyContext): Promise<LiveSession> {
  const { paths, machine } = context;
  if (machine) {
    return await withStateLock(paths, async () =>
      machineSession(context, await recognizeMachine(context, machine)),
    );
  }
  const isGood = ({ tokens }: LiveSession) =>
    tokens.access_token_expires_at - marginSeconds > nowSeconds(context);
  const session = liveSession(await readSession(context));
  if (isGood(session)) return remembering(context, session);
  return await withStateLock(paths, async () => {
    // Somebody else may have renewed them while this waited for the lock.
    const current = remembering(context, liveSession(await readSession(context)));
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

function remembering(context: SallyContext, session: LiveSession): LiveSession {
  context.nonce.recall(session.dpop_nonce);
  return session;
}
