/** The beginning of a login: which provider, and what it is asked for. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SallyportError } from '../errors/sallyport-error.ts';
import { browserSecretOf } from './browser-secret.ts';
import { mfaMaxAge } from './decide-second-factor.ts';
import type { IdentityProvider } from './identity-provider.ts';
import type { ProviderSummary } from './identity-providers.ts';
import { leadBrowser } from './lead-browser.ts';
import { attemptOf, type PendingChoice } from './login-attempt.ts';
import { loginPolicyOf } from './login-policy.ts';
import type { LoginBeginning, LoginFlowParts } from './login-purpose.ts';
import { isOutage, sendOutagePage } from './outage-page.ts';
import { savePending } from './pending-login.ts';

/** Sends the browser to the provider, or to the page that asks which. @throws not_found, login_provider_error */
export async function beginLogin(
  parts: LoginFlowParts,
  request: FastifyRequest,
  reply: FastifyReply,
  start: LoginBeginning,
): Promise<unknown> {
  const { database, sealer, providers, publicUrl, clock } = parts;
  const found = start.provider === undefined ? await providersFor(parts, start) : undefined;
  const slug = start.provider ?? (found?.length === 1 ? found[0]?.slug : undefined);
  if (slug !== undefined) {
    return await sendToProvider(parts, request, reply, { provider: await providers.get(slug), start });
  }
  const payload: PendingChoice = { step: 'choose', start };
  const browserSecret = browserSecretOf(request, reply, publicUrl);
  const handle = await savePending({ db: database.db, sealer, browserSecret }, payload, clock());
  return leadBrowser(request, reply, `/login/choose/${handle}`);
}

/** Where the person may log in for this. @throws login_provider_error if there is nowhere */
export async function providersFor(
  { providers }: Pick<LoginFlowParts, 'providers'>,
  { organization }: Pick<LoginBeginning, 'organization'>,
): Promise<readonly ProviderSummary[]> {
  const found = (await providers.list()).filter(
    ({ organizationSlug }) => organization === undefined || organizationSlug === organization,
  );
  if (found.length > 0) return found;
  throw new SallyportError(
    'login_provider_error',
    'No identity provider is set up here, so nobody can log in. Tell the operator of this server.',
  );
}

export interface ProviderRequest {
  readonly provider: IdentityProvider;
  readonly start: LoginBeginning;
  /** The second request of one login: for a second factor, or only for a new login. */
  readonly again?: 'step-up' | 'new-login';
}

/**
 * What the policy wants is asked for at once, as far as the provider can be asked; its reply is judged all the same
 * (OpenID Connect Core section 5.5.1.1: acr_values is a wish). What is asked a second time is asked for anew: no earlier
 * login satisfies it.
 */
export async function sendToProvider(
  { database, publicUrl, handlers }: LoginFlowParts,
  request: FastifyRequest,
  reply: FastifyReply,
  { provider, start, again }: ProviderRequest,
): Promise<unknown> {
  const { demand } = start;
  const { policy } = await loginPolicyOf(database.db, provider.organizationSlug);
  const { assurance } = provider.settings;
  const wantsMfa =
    (policy.mfaRequired || demand.mfa || again === 'step-up') &&
    handlers.get(start.purpose.kind)?.withoutSecondFactor !== true;
  const fromProvider = wantsMfa && policy.mfaSources.includes('provider');
  const asserts = assurance.multiFactorAmr.length > 0 || assurance.multiFactorAcr.length > 0;
  const maxAgeSeconds = fromProvider && asserts ? mfaMaxAge({ policy, demand }) : demand.maxAgeSeconds;
  const { stepUp } = assurance;
  const acrValues = fromProvider && stepUp !== null && 'acrValues' in stepUp ? stepUp.acrValues : undefined;
  try {
    const url = await provider.startLogin({
      purpose: { ...attemptOf(start, again !== undefined) },
      browserSecret: browserSecretOf(request, reply, publicUrl),
      fresh: start.fresh === true || again !== undefined || demand.maxAgeSeconds === 0,
      ...(maxAgeSeconds === null ? {} : { maxAgeSeconds }),
      ...(acrValues === undefined ? {} : { acrValues }),
    });
    return leadBrowser(request, reply, url.href);
  } catch (error) {
    // The beginning of a login may be loaded again; a reply that was consumed may not.
    if (!isOutage(error) || request.method !== 'GET' || again !== undefined) throw error;
    request.log.warn({ err: error, provider: provider.slug }, 'the identity provider does not answer');
    return sendOutagePage(reply, { provider, error, requestId: request.id });
  }
}
