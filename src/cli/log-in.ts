/** `sally login`: the browser, the tokens, the session, the certificate, the ssh config, in this order. */
import { type OwnSession, ownSession } from '../api/sessions.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { type Credentials, callApi, fetchOf } from './api-client.ts';
import { browserAddress } from './browser-address.ts';
import { failedPage, loggedInPage } from './callback-page.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { type CurrentPair, useNoIdentity } from './current-pair.ts';
import { openLoopbackListener } from './loopback-listener.ts';
import { rotatePair } from './rotate-pair.ts';
import { forgetSchedule } from './schedule.ts';
import { type StoredSession, type Tokens, writeSession } from './session-file.ts';
import { sshConfigurationRequest, writeSshConfiguration } from './ssh-configuration.ts';
import { prepareStateFolder, withStateLock } from './state-folder.ts';
import { addIncludeLine, type InstallOutcome } from './user-config.ts';

const patienceMilliseconds = 5 * 60_000;

export interface LoginOptions {
  readonly server: URL;
  readonly browser: boolean;
}

export interface LoginOutcome {
  readonly session: StoredSession;
  /** Undefined if the server refused one; `refusal` says why. */
  readonly pair: CurrentPair | undefined;
  readonly refusal: SallyportError | undefined;
  readonly firstTarget: string | undefined;
  readonly config: InstallOutcome;
}

export async function logIn(context: SallyContext, options: LoginOptions): Promise<LoginOutcome> {
  // Before the person does anything: whatever is wrong with the folders is said now.
  await prepareStateFolder(context.paths);
  const credentials = await askInBrowser(context, options);
  const own = await callApi(context, credentials, { method: 'GET', path: '/v1/session', reply: ownSession });
  const configuration = await callApi(context, credentials, sshConfigurationRequest);

  return await withStateLock(context.paths, async () => {
    const session = storedSession(credentials, own);
    // Should this end before the new certificate is there, the next ssh asks for it.
    await forgetSchedule(context.paths);
    await writeSession(context.paths, session);
    await writeSshConfiguration(context, configuration);
    const { pair, refusal } = await firstCertificate(context, session);
    const config = await addIncludeLine(context.paths);
    return { session, pair, refusal, firstTarget: configuration.targets[0]?.name, config };
  });
}

type NewCredentials = Credentials & { readonly token_endpoint: string };

async function askInBrowser(
  context: SallyContext,
  { server, browser }: LoginOptions,
): Promise<NewCredentials> {
  const { discover, finishAttempt, newDpopKey, startAttempt } = await import('./oauth-client.ts');
  const { terminal, debug } = context;
  const parts = { server, fetch: fetchOf(context, server), nowSeconds: nowSeconds(context) };
  const as = await discover(parts);
  const key = await newDpopKey();
  const listener = await openLoopbackListener();
  try {
    const attempt = await startAttempt(as, {
      server,
      redirectUri: listener.redirectUri,
      deviceName: context.environment.deviceName,
    });
    for (const secret of [attempt.state, attempt.nonce, attempt.verifier]) debug.redact(secret);
    const address = browserAddress(attempt.url, server);
    terminal.tell(
      browser ? 'Opening your browser to log in. If it does not open, go to:' : 'To log in, open:',
    );
    terminal.tell(`\n  ${address}\n`);
    const answered = listener.callback(attempt.state, patienceMilliseconds);
    if (browser) {
      await context.openBrowser(address).catch(() => debug.say('no browser could be opened'));
    }
    const callback = await answered;
    if (!callback) {
      throw new SallyportError('login_rejected', 'Nobody logged in within 5 minutes. Run: sally login');
    }
    try {
      const at = { ...parts, nowSeconds: nowSeconds(context) };
      const tokens = await finishAttempt(at, attempt, callback, key);
      for (const secret of [tokens.access_token, tokens.refresh_token, key.d]) debug.redact(secret);
      await listener.answer(loggedInPage);
      return { server: server.origin, dpop_key: key, tokens, token_endpoint: as.token_endpoint ?? '' };
    } catch (error) {
      await listener.answer(failedPage);
      throw error;
    }
  } finally {
    await listener.close();
  }
}

function storedSession(
  { server, dpop_key, tokens, token_endpoint }: NewCredentials,
  { session, organization, role }: OwnSession,
): StoredSession & { tokens: Tokens } {
  return {
    v: 1,
    server,
    token_endpoint,
    account: session.account,
    organization,
    role,
    session_id: session.id,
    mfa: session.mfa,
    amr: session.amr,
    expires_at: session.expires_at,
    over_since: null,
    tokens,
    dpop_key,
  };
}

/** A refusal does not undo the login: `sally explain` and `sally whoami` can say more. */
async function firstCertificate(
  context: SallyContext,
  session: StoredSession & { tokens: Tokens },
): Promise<Pick<LoginOutcome, 'pair' | 'refusal'>> {
  try {
    const { pair } = await rotatePair(context, { session, tokensAreNew: true });
    return { pair, refusal: undefined };
  } catch (error) {
    if (!isSallyportError(error) || error.code !== 'access_denied') throw error;
    // What is left of an earlier login is not what this person asked for now.
    await useNoIdentity(context.paths);
    return { pair: undefined, refusal: error };
  }
}
