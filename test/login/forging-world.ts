/** One identity provider of ours whose provider forges, and logins at it step by step. */

import { expect } from 'vitest';
import {
  createIdentityProvider,
  type IdentityProviderParts,
} from '../../src/login/create-identity-provider.ts';
import type { IdentityProvider, LoginStart } from '../../src/login/identity-provider.ts';
import type { LoginResult } from '../../src/login/login-result.ts';
import type { ProviderSettings } from '../../src/login/provider-settings.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { type ForgingProvider, startForgingProvider } from './forging-provider.ts';

export const clientId = 'sallyport';
export const browserSecret = 'login_of-this-browser';
export const redirectUri = new URL('https://ssh.example.com/login/callback/okta');

export interface Started {
  readonly url: URL;
  readonly state: string;
}

export interface ForgingWorld {
  readonly database: FreshDatabase;
  readonly forging: ForgingProvider;
  /** A new one after each reset(). */
  readonly provider: IdentityProvider;
  /** Moves our clock. */
  advance(seconds: number): void;
  /** Everything honest again, and nothing remembered. */
  reset(settings?: Partial<ProviderSettings>): void;
  /** What a provider is made of, with other settings or parts. */
  parts(settings?: Partial<ProviderSettings>, change?: Partial<IdentityProviderParts>): IdentityProviderParts;
  start(more?: Partial<LoginStart>): Promise<Started>;
  /** The provider's honest reply, with other parameters. */
  callback(parameters: Record<string, string>): URL;
  /** A whole login whose ID token has other claims; undefined leaves one out. */
  logIn(claims?: Record<string, unknown>, more?: Partial<LoginStart>): Promise<LoginResult>;
  close(): Promise<void>;
}

export async function openForgingWorld(): Promise<ForgingWorld> {
  const database = await freshDatabase();
  const forging = await startForgingProvider(clientId);
  const honestKeys = forging.keys;
  let offsetSeconds = 0;
  const parts: ForgingWorld['parts'] = (settings = {}, change = {}) => ({
    slug: 'okta',
    settings: {
      name: 'Acme Okta',
      preset: 'generic',
      issuer: forging.issuer,
      clientId,
      scopes: ['openid', 'email'],
      organization: 'acme',
      claims: { account: '{email}', name: 'name', groups: 'groups' },
      trustEmail: false,
      emailDomains: null,
      requiredClaims: {},
      groups: { prefix: '', overage: 'refuse' },
      assurance: {
        amr: { mfa: ['mfa'], hwk: ['hwk'], pwd: ['pwd'] },
        multiFactorAmr: [['mfa'], ['hwk']],
        multiFactorAcr: [],
        stepUp: null,
      },
      upstream: { refresh: 'when-offered' },
      maxAge: true,
      ...settings,
    },
    clientSecret: 'top secret',
    redirectUri,
    allowInsecureLoopback: true,
    clock: () => new Date(Date.now() + offsetSeconds * 1000),
    database,
    ...change,
  });
  let provider = createIdentityProvider(parts());
  const start: ForgingWorld['start'] = async (more = {}) => {
    const url = await provider.startLogin({ purpose: { kind: 'helper' }, browserSecret, ...more });
    forging.nonce = url.searchParams.get('nonce') ?? '';
    return { url, state: url.searchParams.get('state') ?? '' };
  };
  const callback: ForgingWorld['callback'] = (parameters) => {
    const url = new URL(redirectUri);
    url.search = new URLSearchParams({ iss: forging.issuer, code: 'a-code', ...parameters }).toString();
    return url;
  };
  return {
    database,
    forging,
    get provider() {
      return provider;
    },
    advance: (seconds) => {
      offsetSeconds += seconds;
    },
    reset: (settings = {}) => {
      offsetSeconds = 0;
      Object.assign(forging, {
        metadata: {},
        claims: {},
        tokens: {},
        sign: null,
        userinfo: null,
        answer: null,
      });
      forging.keys = [...honestKeys];
      forging.redeemed.length = 0;
      forging.requests.length = 0;
      provider = createIdentityProvider(parts(settings));
    },
    parts,
    start,
    callback,
    logIn: async (claims = {}, more = {}) => {
      const { state } = await start(more);
      forging.claims = claims;
      return await provider.finishLogin(callback({ state }), browserSecret);
    },
    close: async () => {
      await forging.close();
      await database.close();
    },
  };
}

export const unixNow = (): number => Math.floor(Date.now() / 1000);
export const withCode = (code: string): unknown => expect.objectContaining({ code });
