/**
 * The browser's way through a login: from the authorization request to the identity provider, back to the one callback
 * for all logins, and on to whoever asked. Nothing of an earlier login is reused.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type Provider from 'oidc-provider';
import { errors } from 'oidc-provider';
import { accountForIdentity } from '../accounts/account-for-identity.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { browserSecretOf, readBrowserSecret } from '../login/browser-secret.ts';
import { type IdentityProvider, notePurpose, purposeOfFailure } from '../login/identity-provider.ts';
import { loginRefusedPage } from '../login/login-pages.ts';
import type { LoginResult } from '../login/login-result.ts';
import { stateInvalid } from '../login/login-state.ts';
import { contentSecurityPolicy } from '../pages/assets.ts';
import { startSession } from '../sessions/start-session.ts';
import { clientId } from './client.ts';
import { apiResource, deviceNameParameter, interactionPath, mountPath } from './provider-configuration.ts';

/** Ends a login whose purpose is `{ kind: 'browser', ... }`; sends the reply. */
export type BrowserLogin = (
  result: LoginResult,
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<unknown>;

export interface LoginRouteParts {
  readonly db: Database;
  readonly provider: Provider;
  readonly identityProvider: IdentityProvider;
  readonly publicUrl: URL;
  readonly clock: () => Date;
  readonly sessionLifetimeSeconds: number;
  readonly onBrowserLogin: BrowserLogin;
}

type Interaction = InstanceType<Provider['Interaction']>;

/** Needs @fastify/cookie. */
export function registerLoginRoutes(app: FastifyInstance, parts: LoginRouteParts): void {
  app.get<{ Params: { uid: string } }>(
    `${mountPath}${interactionPath}/:uid`,
    {
      config: { auth: 'none', purpose: 'sends a login of sally to the identity provider' },
    },
    (request, reply) =>
      toIdentityProvider(parts, request, reply).catch((error) => refuse(parts, error, request, reply)),
  );
  app.get(
    '/login/callback',
    {
      config: { auth: 'none', purpose: 'the identity provider’s reply; checks state and browser itself' },
    },
    (request, reply) => finish(parts, request, reply).catch((error) => refuse(parts, error, request, reply)),
  );
}

async function toIdentityProvider(
  { provider, identityProvider, publicUrl }: LoginRouteParts,
  request: FastifyRequest<{ Params: { uid: string } }>,
  reply: FastifyReply,
): Promise<unknown> {
  const { uid } = request.params;
  const interaction = await provider.interactionDetails(request.raw, reply.raw).catch((error) => {
    if (error instanceof errors.SessionNotFound) return undefined;
    throw error;
  });
  if (interaction?.uid !== uid) throw stateInvalid();
  const { max_age: maxAge } = interaction.params;
  const url = await identityProvider.startLogin({
    purpose: { kind: 'helper', interaction: uid },
    browserSecret: browserSecretOf(request, reply, publicUrl),
    // Whoever led the browser here may be waiting at that loopback port himself for the code, so what the identity
    // provider remembers must not do: the person sees a login, and can wonder at it (RFC 8252 section 8.6).
    fresh: true,
    ...(maxAge === undefined ? {} : { maxAgeSeconds: Number(maxAge) }),
  });
  return reply.redirect(url.href, 303);
}

async function finish(
  parts: LoginRouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { identityProvider, publicUrl } = parts;
  const secret = readBrowserSecret(request, publicUrl);
  const result = await identityProvider.finishLogin(new URL(request.url, publicUrl), secret);
  try {
    if (result.purpose['kind'] === 'browser') return await parts.onBrowserLogin(result, request, reply);
    const interaction = await interactionOf(parts, result.purpose);
    if (interaction === undefined) throw stateInvalid();
    const login = await startHelperSession(parts, result, interaction, request);
    return await resume(parts, interaction, login, reply);
  } catch (error) {
    throw notePurpose(error, result.purpose);
  }
}

async function interactionOf(
  { provider }: LoginRouteParts,
  purpose: LoginResult['purpose'] | undefined,
): Promise<Interaction | undefined> {
  const uid = purpose?.['kind'] === 'helper' ? purpose['interaction'] : undefined;
  return typeof uid === 'string' ? await provider.Interaction.find(uid) : undefined;
}

/** Account, grant and session. The grant first: without a session it is nothing, and it goes away by itself. */
async function startHelperSession(
  { db, provider, clock, publicUrl, sessionLifetimeSeconds }: LoginRouteParts,
  result: LoginResult,
  { params }: Interaction,
  request: FastifyRequest,
) {
  const now = clock();
  const { accountId } = await inTransaction(db, (tx) => accountForIdentity(tx, result, now));
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope(String(params['scope'] ?? 'openid'));
  grant.addResourceScope(apiResource(publicUrl), '');
  const grantId = await grant.save();
  const { issuer, amr, acr, authTime, mfa } = result;
  const device = params[deviceNameParameter];
  await inTransaction(db, (tx) =>
    startSession(
      tx,
      {
        accountId,
        kind: 'helper',
        issuer,
        amr,
        acr,
        authTime,
        mfa,
        expiresAt: new Date(now.getTime() + sessionLifetimeSeconds * 1000),
        clientAddress: request.ip,
        clientName: typeof device === 'string' ? device : (request.headers['user-agent'] ?? null),
        grantId,
      },
      now,
    ),
  );
  const ts = Math.floor(authTime.getTime() / 1000);
  const known = { accountId, ts, amr: [...amr], remember: false, ...(acr === null ? {} : { acr }) };
  return { login: known, consent: { grantId } };
}

/** Stores the outcome and sends the browser back to the authorization request it came from. */
async function resume(
  { publicUrl }: LoginRouteParts,
  interaction: Interaction,
  outcome: NonNullable<Interaction['result']>,
  reply: FastifyReply,
): Promise<unknown> {
  interaction.result = outcome;
  await interaction.persist();
  return reply.redirect(new URL(new URL(interaction.returnTo).pathname, publicUrl).href, 303);
}

/** `sally` is told where it waits for the reply; where that is not known, the person is, in the browser. */
async function refuse(
  parts: LoginRouteParts,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  if (!isSallyportError(error)) request.log.error({ err: error }, 'login failed');
  // Without a login that was under way anybody could fill the table.
  else if (purposeOfFailure(error)) await record(parts, error.code, error.message, request);
  else request.log.info({ code: error.code, status: error.status }, 'refused');
  const interaction = isSallyportError(error) ? await waiting(parts, error) : undefined;
  if (interaction !== undefined && isSallyportError(error)) {
    const outage = error.status >= 500;
    const outcome = {
      error: outage ? 'temporarily_unavailable' : 'access_denied',
      error_description: describable(error.message),
    };
    return await resume(parts, interaction, outcome, reply);
  }
  const page = loginRefusedPage(error, request.id);
  return reply
    .code(page.status)
    .header('content-security-policy', contentSecurityPolicy())
    .header('cache-control', 'no-store')
    .type('text/html; charset=utf-8')
    .send(page.html);
}

async function waiting(parts: LoginRouteParts, error: Error): Promise<Interaction | undefined> {
  return await interactionOf(parts, purposeOfFailure(error)).catch(() => undefined);
}

async function record(
  { db, identityProvider }: LoginRouteParts,
  code: string,
  message: string,
  request: FastifyRequest,
): Promise<void> {
  const facts = { code, message, issuer: identityProvider.issuer };
  await inTransaction(db, (tx) => recordEvent(tx, { event: 'login.refused', facts })).catch((error) =>
    request.log.error({ err: error }, 'a refused login could not be recorded'),
  );
}

/** RFC 6749 section 4.1.2.1: printable ASCII without quotes and backslashes. */
function describable(message: string): string {
  return message.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, '?');
}
