/**
 * `sally login`: the browser or a code, the tokens, the session, the certificate, the ssh config, in this order. Where
 * somebody is logged in at the same server the session is renewed under the same key, so that live connections stay.
 */
import { ownSession } from '../api/sessions.ts';
import { isSallyportError, type SallyportError } from '../errors/sallyport-error.ts';
import { type Credentials, callApi, oauthParts, redactTokens } from './api-client.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import type { CurrentPair } from './current-pair.ts';
import { endReplaced } from './end-at-server.ts';
import { firstCertificate } from './hardware/first-certificate.ts';
import type { KeyWish } from './hardware/key-wish.ts';
import { startBrowserLogin } from './log-in-browser.ts';
import { startDeviceLogin } from './log-in-device.ts';
import type { LoginStart, LoginUnderWay } from './login-under-way.ts';
import { renewNarrowed } from './narrowed-paths.ts';
import { secretsPlace } from './profiles/profile-settings.ts';
import { forgetSchedule } from './schedule.ts';
import { type LiveSession, readSession, sessionToStore, writeSession } from './session-file.ts';
import { mayAddLine } from './ssh-config-policy.ts';
import { sshConfigurationRequest, writeSshConfiguration } from './ssh-configuration.ts';
import { prepareStateFolder, withStateLock } from './state-folder.ts';
import { addIncludeLine, type InstallOutcome } from './user-config.ts';

export interface LoginOptions {
  readonly server: URL;
  /**
   * browser: sally opens one; address: the person opens the printed one, here or elsewhere; device: RFC 8628; either: a
   * code, or the address where the server gives none.
   */
  readonly way: 'browser' | 'address' | 'device' | 'either';
  readonly provider: string | undefined;
  readonly maxAgeSeconds: number | undefined;
  readonly acrValues: string | undefined;
  /** Undefined: the key of before. */
  readonly key?: KeyWish | undefined;
}

export interface LoginOutcome {
  readonly session: LiveSession;
  /** Undefined if the server refused one; `refusal` says why. */
  readonly pair: CurrentPair | undefined;
  readonly refusal: SallyportError | undefined;
  readonly targets: readonly string[];
  /** left: nothing was added to the person's config, as they wanted. */
  readonly config: InstallOutcome | 'left';
  /** The session of before goes on; otherwise this is another one. */
  readonly renewed: boolean;
}

export async function logIn(context: SallyContext, options: LoginOptions): Promise<LoginOutcome> {
  const { paths } = context;
  // Before the person does anything: whatever is wrong with the folders is said now.
  await prepareStateFolder(paths);
  const mayAdd = await mayAddLine(context);
  const { discover } = await import('./oauth/discover.ts');
  const { newDpopKey } = await import('./oauth/client.ts');
  const { server } = options;
  const earlier = await sessionToRenew(context, server);
  context.nonce.recall(earlier?.dpop_nonce);
  const as = await discover(oauthParts(context, server));
  const key = earlier?.dpop_key ?? (await newDpopKey());
  context.debug.redact(key.d);
  const request = {
    deviceName: context.environment.deviceName,
    provider: options.provider,
    maxAgeSeconds: options.maxAgeSeconds,
    acrValues: options.acrValues,
    sessionId: earlier?.session_id,
  };
  const login = await startLogin(context, options.way, { server, as, key, request, opens: false });
  let worked = false;
  try {
    await login.person();
    // From here on the earlier session's tokens may be dead: nobody else may use them before the new ones are stored.
    const outcome = await withStateLock(paths, async () => {
      const tokens = await login.tokens();
      redactTokens(context, tokens);
      worked = true;
      const token_endpoint = as.token_endpoint ?? '';
      const credentials = { server: server.origin, dpop_key: key, tokens, token_endpoint };
      return await keep(context, credentials, { wish: options.key, mayAdd });
    });
    return outcome;
  } finally {
    await login.close(worked);
  }
}

async function startLogin(
  context: SallyContext,
  way: LoginOptions['way'],
  start: LoginStart,
): Promise<LoginUnderWay> {
  if (way === 'browser' || way === 'address') {
    return await startBrowserLogin(context, { ...start, opens: way === 'browser' });
  }
  try {
    return await startDeviceLogin(context, start);
  } catch (error) {
    if (way === 'device' || !isSallyportError(error) || error.code !== 'login_rejected') throw error;
    context.debug.say(`no login by a code: ${error.message}`);
    return await startBrowserLogin(context, start);
  }
}

/** The live session at the same server; whether the login is of the same account only the server finds out. */
async function sessionToRenew(context: SallyContext, server: URL): Promise<LiveSession | undefined> {
  // A file that is not as it must be is replaced by this login.
  const session = await readSession(context).catch(() => undefined);
  if (session?.server !== server.origin || !session.tokens) return undefined;
  return session.expires_at > nowSeconds(context) ? { ...session, tokens: session.tokens } : undefined;
}

async function keep(
  context: SallyContext,
  credentials: Credentials & { readonly token_endpoint: string },
  { wish, mayAdd }: { wish: KeyWish | undefined; mayAdd: boolean },
): Promise<LoginOutcome> {
  const { paths } = context;
  const own = await callApi(context, credentials, { method: 'GET', path: '/v1/session', reply: ownSession });
  const configuration = await callApi(context, credentials, sshConfigurationRequest);
  const { server, dpop_key, tokens, token_endpoint } = credentials;
  const dpop_nonce = context.nonce.latest ?? null;
  const replaced = await readSession(context).catch(() => undefined);
  const isSame = replaced?.server === server && replaced.account === own.session.account;
  const session = sessionToStore(own, {
    server,
    dpop_key,
    tokens,
    token_endpoint,
    dpop_nonce,
    mode: 'person',
    credential: null,
    secrets: await secretsPlace(context),
    key: isSame ? replaced.key : { kind: 'file' },
  });
  const renewed = replaced?.session_id === session.session_id;

  // Should this end before the new certificate is there, the next ssh asks for it.
  await forgetSchedule(paths);
  await renewNarrowed(paths);
  await writeSession(context, session);
  if (replaced && !renewed) await endReplaced(context, replaced);
  await writeSshConfiguration(context, configuration);
  const certified = await firstCertificate(context, session, wish);
  const config = mayAdd ? await addIncludeLine(paths) : 'left';
  const targets = configuration.targets.map(({ name }) => name);
  return { ...certified, targets, config, renewed };
}
