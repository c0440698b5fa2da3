import { isSallyportError } from '../errors/sallyport-error.ts';
import { callApi, refreshedTokens } from './api-client.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import type { StoredSession } from './session-file.ts';
import { endedByServer } from './session-over.ts';

/** Ends a session at its server. @returns why that did not work; undefined also where it was over already */
export async function endAtServer(
  context: SallyContext,
  session: StoredSession,
): Promise<string | undefined> {
  const { tokens } = session;
  if (!tokens) return undefined; // the server has said before that it is over
  try {
    const live = { ...session, tokens };
    const isGood = tokens.access_token_expires_at - 20 > nowSeconds(context);
    const credentials = isGood ? live : await refreshedTokens(context, live);
    await callApi(context, credentials, { method: 'POST', path: '/v1/session/end', reply: null });
    return undefined;
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return endedByServer(error) ? undefined : error.message;
  }
}

/** The session of who was logged in before: this machine has forgotten its tokens, so it ends there too. */
export async function endReplaced(context: SallyContext, replaced: StoredSession): Promise<void> {
  const { terminal } = context;
  const failure = await endAtServer(context, replaced);
  if (failure === undefined) return;
  terminal.tell(`sally: the earlier session of ${replaced.account} could not be ended: ${failure}`);
}
