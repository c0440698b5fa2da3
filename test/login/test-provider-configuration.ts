/** How a test provider's oidc-provider is configured, and how it knows us as its client. */
import { randomBytes } from 'node:crypto';
import type { JWK } from 'jose';
import { type Configuration, interactionPolicy } from 'oidc-provider';
import type { memoryAdapter } from '../../src/dev/identity-provider-memory.ts';
import {
  clientId,
  profileOf,
  type SigningAlg,
  type TestPerson,
  type TestProviderBehaviour,
} from './test-provider-behaviour.ts';

export interface ConfigurationParts {
  readonly behaviour: TestProviderBehaviour;
  readonly adapter: ReturnType<typeof memoryAdapter>;
  readonly port: number;
  readonly signingAlg: SigningAlg;
  readonly privateJwk: JWK;
  readonly personOf: (username: string) => TestPerson | undefined;
  /** What is sent instead of a logout token. */
  readonly logoutToken: (token: string) => Promise<string>;
}

export function configurationOf(parts: ConfigurationParts): Configuration {
  const { behaviour, adapter, port, signingAlg, privateJwk, personOf, logoutToken } = parts;
  const policy = interactionPolicy.base();
  policy.get('login')?.checks.add(
    new interactionPolicy.Check('step_up', 'a second factor is needed', 'login_required', (ctx) => {
      const { requireStepUpAcr: wanted } = behaviour;
      const asked = String(ctx.oidc.params?.['acr_values'] ?? '').split(' ');
      const missing = wanted !== null && asked.includes(wanted) && ctx.oidc.acr !== wanted;
      return missing ? interactionPolicy.Check.REQUEST_PROMPT : interactionPolicy.Check.NO_NEED_TO_PROMPT;
    }),
  );
  return {
    adapter,
    jwks: { keys: [privateJwk] } as NonNullable<Configuration['jwks']>,
    enabledJWA: { idTokenSigningAlgValues: [signingAlg] },
    cookies: {
      // Cookies know no ports, and several providers run on this machine.
      names: { session: `idp_${port}`, interaction: `idp_${port}_login`, resume: `idp_${port}_resume` },
      keys: [randomBytes(16).toString('hex')],
    },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
    conformIdTokenClaims: false,
    scopes: ['openid', 'email', 'profile', 'offline_access', 'groups'],
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        // The library's own page loads a font from elsewhere.
        logoutSource: (ctx, form) => {
          ctx.body =
            `<!doctype html><title>Log out</title>${form}<button type="submit" form="op.logoutForm" ` +
            'name="logout" value="yes">Yes, sign me out</button>';
        },
      },
      resourceIndicators: { enabled: false },
    },
    interactions: { policy, url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    clientBasedCORS: () => false,
    issueRefreshToken: () => behaviour.refreshTokens,
    rotateRefreshToken: () => true,
    expiresWithSession: () => false,
    findAccount: (_ctx, sub) => {
      const person = personOf(sub);
      return person && { accountId: sub, claims: () => ({ sub, ...profileOf(person) }) };
    },
    ttl: {
      AccessToken: 300,
      AuthorizationCode: 60,
      Grant: 86_400,
      IdToken: 300,
      Interaction: 900,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    // The library's own guard refuses this machine's addresses, which is where we run.
    fetch: async (url, options) => {
      const { method, headers, body } = options as { method?: string; headers?: Headers; body?: unknown };
      return await fetch(url, {
        method: method ?? 'GET',
        headers: headers ?? {},
        body: await withOwnToken(body, logoutToken),
      });
    },
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = `<p data-error="${out.error}">${out.error}</p>`;
    },
  };
}

export interface Registration {
  readonly slug: string;
  readonly clientSecret: string;
  readonly publicUrl: URL;
  readonly signingAlg: SigningAlg;
  readonly backChannelLogout: URL | undefined;
}

/** Us, as oidc-provider stores its clients. */
export function clientMetadata({
  slug,
  clientSecret,
  publicUrl,
  signingAlg,
  backChannelLogout,
}: Registration) {
  const at = (path: string) => new URL(path, publicUrl).href;
  return {
    client_id: clientId,
    client_secret: clientSecret,
    client_name: 'Sallyport',
    redirect_uris: [at(`/login/callback${slug === 'default' ? '' : `/${slug}`}`)],
    post_logout_redirect_uris: [at('/console/signed-out')],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: signingAlg,
    require_auth_time: true,
    backchannel_logout_uri: backChannelLogout?.href ?? at(`/login/back-channel-logout/${slug}`),
    backchannel_logout_session_required: true,
  };
}

async function withOwnToken(body: unknown, own: (token: string) => Promise<string>): Promise<string | null> {
  if (body === undefined || body === null) return null;
  const form = new URLSearchParams(String(body));
  const token = form.get('logout_token');
  if (token !== null) form.set('logout_token', await own(token));
  return form.toString();
}
