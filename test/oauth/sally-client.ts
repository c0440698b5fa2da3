/** A client as `sally` is one, with every step in the test's hands. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { DemoPerson } from '../../src/dev/identity-provider-people.ts';
import { Browser, type VisitedPage } from '../../src/dev/tour/browser.ts';
import type { RunningServer } from './running-server.ts';

export interface ProofKey {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}
type CryptoKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

export interface TokenAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly id_token: string;
  readonly token_type: string;
  readonly expires_in: number;
}

export async function newProofKey(): Promise<ProofKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { privateKey, jwk: await exportJWK(publicKey) };
}

export interface ProofClaims {
  readonly htm: string;
  readonly htu: string;
  readonly accessToken?: string;
  readonly change?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
}

export async function proof(
  key: ProofKey,
  { htm, htu, accessToken, change, header }: ProofClaims,
): Promise<string> {
  const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url');
  const claims = { jti: randomUUID(), iat: Math.floor(Date.now() / 1000), htm, htu, ...(ath ? { ath } : {}) };
  return await new SignJWT({ ...claims, ...change })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk, ...header })
    .sign(key.privateKey);
}

export class SallyClient {
  readonly browser = new Browser();
  readonly verifier = randomBytes(32).toString('base64url');
  readonly state = randomUUID();
  readonly key: ProofKey;
  readonly #running: RunningServer;
  readonly redirectUri: string;

  constructor(running: RunningServer, key: ProofKey, port: number) {
    this.#running = running;
    this.key = key;
    this.redirectUri = `http://127.0.0.1:${port}/callback`;
  }

  authorizationUrl(change: Record<string, string | undefined> = {}): URL {
    const url = new URL(`${this.#running.issuer}/auth`);
    const parameters = {
      client_id: 'sally',
      response_type: 'code',
      redirect_uri: this.redirectUri,
      scope: 'openid offline_access',
      resource: `${this.#running.publicUrl.origin}/v1`,
      state: this.state,
      code_challenge: createHash('sha256').update(this.verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...change,
    };
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url;
  }

  async logIn(person: DemoPerson, change: Record<string, string | undefined> = {}): Promise<VisitedPage> {
    return await this.browser.signIn(this.authorizationUrl(change), person);
  }

  /** The whole login. */
  async tokensOf(person: DemoPerson): Promise<Tokens> {
    const { url } = await this.logIn(person);
    const { status, body } = await this.redeem(url.searchParams.get('code') ?? '');
    if (status !== 200) throw new Error(`no tokens: ${JSON.stringify(body)} at ${url}`);
    return body as unknown as Tokens;
  }

  async redeem(code: string, change: Record<string, string> = {}): Promise<TokenAnswer> {
    return await this.token({
      grant_type: 'authorization_code',
      code,
      redirect_uri: this.redirectUri,
      code_verifier: this.verifier,
      ...change,
    });
  }

  async refresh(refreshToken: string, key: ProofKey = this.key): Promise<TokenAnswer> {
    return await this.token({ grant_type: 'refresh_token', refresh_token: refreshToken }, key);
  }

  async token(parameters: Record<string, string>, key: ProofKey | null = this.key): Promise<TokenAnswer> {
    const url = `${this.#running.issuer}/token`;
    const dpop = key && (await proof(key, { htm: 'POST', htu: url }));
    return await this.post(url, { client_id: 'sally', ...parameters }, dpop ? { dpop } : {});
  }

  async post(
    url: string,
    parameters: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<TokenAnswer> {
    const response = await fetch(url, { method: 'POST', headers, body: new URLSearchParams(parameters) });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
  }

  /** What a request to the API presents. */
  async presented(accessToken: string, change: Partial<ProofClaims> = {}, key: ProofKey = this.key) {
    const url = `${this.#running.publicUrl.origin}/v1/session`;
    const dpop = await proof(key, { htm: 'GET', htu: url, accessToken, ...change });
    return { authorization: `DPoP ${accessToken}`, dpop, method: 'GET', url };
  }
}
