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
  readonly nonce?: string;
  readonly accessToken?: string;
  readonly change?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
}

export async function proof(
  key: ProofKey,
  { htm, htu, nonce, accessToken, change, header }: ProofClaims,
): Promise<string> {
  const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url');
  const claims = {
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1000),
    htm,
    htu,
    nonce,
    ...(ath ? { ath } : {}),
  };
  return await new SignJWT({ ...claims, ...change })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk, ...header })
    .sign(key.privateKey);
}

export interface ProofOptions extends Partial<ProofClaims> {
  readonly key?: ProofKey | null;
  readonly headers?: Record<string, string>;
}

/** Parameters that are different; undefined leaves one out. */
export type Change = Readonly<Record<string, string | undefined>>;

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

  /** Of an authorization request. */
  parameters(change: Change = {}): Record<string, string> {
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
    return Object.fromEntries(
      Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
  }

  /** Pushes the authorization request (RFC 9126). */
  async push(change: Change = {}, key: ProofKey | null = this.key): Promise<TokenAnswer> {
    return await this.proven('/request', this.parameters(change), key);
  }

  /** Where the browser goes with the pushed request. */
  async authorizationUrl(change: Change = {}): Promise<URL> {
    const { status, body } = await this.push(change);
    if (status !== 201) throw new Error(`not pushed: ${JSON.stringify(body)}`);
    return this.urlOf(String(body['request_uri']));
  }

  urlOf(requestUri: string): URL {
    const url = new URL(`${this.#running.issuer}/auth`);
    url.search = new URLSearchParams({ client_id: 'sally', request_uri: requestUri }).toString();
    return url;
  }

  async logIn(person: DemoPerson, change: Change = {}): Promise<VisitedPage> {
    return await this.browser.signIn(await this.authorizationUrl(change), person);
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
    return await this.proven('/token', { client_id: 'sally', ...parameters }, key);
  }

  /** A request to the authorization server with a proof of the key. */
  async proven(
    path: string,
    parameters: Record<string, string>,
    key: ProofKey | null = this.key,
    { headers = {}, change = {}, ...more }: ProofOptions = {},
  ): Promise<TokenAnswer> {
    const url = `${this.#running.issuer}${path}`;
    const nonce = this.#running.nonce();
    const claims = { htm: 'POST', htu: url, nonce, ...more, change: { iat: this.#seconds(), ...change } };
    const dpop = key && (await proof(key, claims));
    return await this.post(url, parameters, { ...headers, ...(dpop ? { dpop } : {}) });
  }

  /** Asks for a device login (RFC 8628). */
  async askForDevice(change: Change = {}, more: ProofOptions = {}): Promise<TokenAnswer> {
    const { client_id = '', scope = '', resource = '' } = this.parameters();
    const parameters = { client_id, scope, resource, device_name: 'lab-7', ...change };
    const given = Object.entries(parameters).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    const { key = this.key, ...rest } = more;
    return await this.proven('/device_authorization', Object.fromEntries(given), key, {
      ...this.#ours(),
      ...rest,
    });
  }

  async poll(deviceCode: string, key: ProofKey | null = this.key): Promise<TokenAnswer> {
    const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
    return await this.token({ grant_type, device_code: deviceCode }, key);
  }

  /** A machine's own token for an access token (RFC 8693). */
  async exchange(token: string, change: Change = {}, more: ProofOptions = {}): Promise<TokenAnswer> {
    const parameters = {
      client_id: 'sally',
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:sallyport:token-type:api-token',
      device_name: 'runner-1',
      ...change,
    };
    const given = Object.entries(parameters).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    const { key = this.key, ...rest } = more;
    return await this.proven('/token', Object.fromEntries(given), key, { ...this.#ours(), ...rest });
  }

  /** For endpoints whose proofs the server checks by its own clock. */
  #ours(): ProofOptions {
    return { nonce: this.#running.nonce(this.#running.now()) };
  }

  #seconds(): number {
    return Math.floor(this.#running.now().getTime() / 1000);
  }

  async post(
    url: string,
    parameters: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<TokenAnswer> {
    const { publicUrl, address } = this.#running;
    const response = await fetch(url.replace(publicUrl.origin, address), {
      method: 'POST',
      headers,
      body: new URLSearchParams(parameters),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
  }

  /** What a request to the API presents. */
  async presented(accessToken: string, change: Partial<ProofClaims> = {}, key: ProofKey = this.key) {
    const url = `${this.#running.publicUrl.origin}/v1/session`;
    const nonce = this.#running.server.proofNonce();
    const dpop = await proof(key, { htm: 'GET', htu: url, nonce, accessToken, ...change });
    return { authorization: `DPoP ${accessToken}`, dpop, method: 'GET', url };
  }
}
