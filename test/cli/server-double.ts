/**
 * A server as `sally` sees it: OAuth with PKCE, DPoP and rotating refresh tokens, certificates by a CA of its own, and a
 * switch for every fault that a test wants. It checks what a server checks, so that a `sally` which forgets a parameter
 * or a proof fails here.
 */
import { createHash, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify, SignJWT } from 'jose';
import { certificateRequest, possessionMessage } from '../../src/api/certificates.ts';
import type { SshConfiguration } from '../../src/api/ssh-configuration.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parsePublicKeyLine, publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { verifySshsig } from '../../src/ssh/sshsig.ts';

/** Where the double says its gateway is: nothing listens at a port that only root may take and nobody does. */
export const closedPort = 1;

export const account = 'alice@demo.example';
export const sessionId = '0190b3c4-aaaa-7bbb-8ccc-000000000001';

export interface Faults {
  /** Paths that end in this are answered by a closed socket, after their work was done. */
  loseReplyOf?: string;
  /** The status and problem for paths that end in the key. */
  refuse?: Record<string, Refusal>;
  /** The same, until a login with acr_values=mfa has come. */
  wantsMfa?: Record<string, Refusal>;
  sessionOver?: boolean;
  /** By how much the server's clock differs from this machine's; proofs of another time are refused as by the real one. */
  clockOffsetSeconds?: number;
  certificateLifeSeconds?: number;
  certificateFor?: string;
  callbackIss?: string;
  loginError?: { error: string; error_description: string };
  metadata?: Record<string, string>;
  tokenType?: string;
  refuseDevice?: string;
  verificationUri?: string;
  userCode?: string;
}

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** Further members of the problem document. */
  readonly members?: object;
}

interface Seen {
  readonly method: string;
  readonly path: string;
}

export class ServerDouble {
  faults: Faults = {};
  readonly seen: Seen[] = [];
  issued = 0;
  refreshes = 0;
  configuration: SshConfiguration;
  sessions: Record<string, unknown>[] = [];
  readonly userCa = generateEd25519();
  /** Names of enrolled machines by the fingerprint of their host key. */
  readonly machines = new Map<string, string>();
  readonly #idKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #pushed = new Map<string, URLSearchParams>();
  readonly #codes = new Map<string, URLSearchParams>();
  /** What logins asked for. */
  readonly asked: Record<string, string>[] = [];
  /** What polls of a device code get, in their order; then tokens. */
  devicePolls: string[] = [];
  /** Thumbprint of the key that asked for a device code. */
  deviceKey: string | undefined;
  /** What token exchanges showed. */
  readonly exchanged: Record<string, string>[] = [];
  /** A server that wants a nonce in every proof (RFC 9449 section 8). */
  nonce: string | undefined;
  /** The person's second factor: absent until a login with acr_values. */
  mfaGiven = true;
  ended: string[] = [];
  /** What further routes answer, by method and path. */
  readonly answers: Record<string, object> = {};
  /** Bodies of requests to the API. */
  readonly bodies: string[] = [];
  /** Keys that a session has proven to hold, to be certified again. */
  readonly keptKeys = new Set<string>();
  currentSession = sessionId;
  /** Refresh token -> its successor, once used. */
  readonly #refresh = new Map<string, { jkt: string; successor?: string; usedAt?: number }>();
  readonly #access = new Map<string, string>();
  readonly #challenges = new Set<string>();
  readonly #requests = new Map<string, { key: string; reply: object }>();
  readonly #proofs = new Set<string>();
  readonly #listener = (request: IncomingMessage, response: ServerResponse) => {
    this.#answer(request, response).catch((error) => {
      this.failures.push(error);
      if (!response.headersSent) response.writeHead(500).end();
    });
  };
  readonly #server: Server;
  readonly #scheme: string;
  /** What the double itself found wrong with a request. */
  readonly failures: unknown[] = [];
  #port = 0;

  /** @param tls absent: plain http */
  constructor(tls?: { readonly key: string; readonly cert: string }) {
    this.#scheme = tls ? 'https' : 'http';
    this.#server = tls ? createSecureServer(tls, this.#listener) : createServer(this.#listener);
    const key = publicKeyLine({
      type: 'ssh-ed25519',
      blob: generateEd25519().publicKeyBlob,
      comment: 'host CA',
    });
    this.configuration = {
      account,
      suffix: 'sallyport',
      host_authorities: [key],
      gateways: [{ name: 'gw', address: '127.0.0.1', port: closedPort, login: null }],
      targets: [
        { name: 'shop-production--web', gateway: 'gw', address: '127.0.0.1', port: 8423, login: 'app' },
      ],
    };
    this.sessions = [this.session()];
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#port}`;
  }

  count(path: string): number {
    return this.seen.filter((request) => request.path === path).length;
  }

  session(): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000);
    return {
      id: this.currentSession,
      account,
      kind: 'helper',
      provider: 'default',
      mfa: this.mfaGiven,
      mfa_by: this.mfaGiven ? 'provider' : null,
      mfa_time: this.mfaGiven ? now : null,
      idle_ends_at: null,
      credential_id: null,
      amr: ['pwd', 'otp'],
      auth_time: now,
      created_at: now,
      last_used_at: now,
      expires_at: now + 8 * 3600,
      ended_at: null,
      ended_reason: null,
      client_address: '127.0.0.1',
      client_name: 'laptop',
      connections: 2,
      certificates: 1,
    };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.url);
    const method = request.method ?? '';
    this.seen.push({ method, path: url.pathname });
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const { status, document, location, challenge } = await this.#route(method, url, request, body).catch(
      (error): Answer => {
        if (error instanceof WantsNonce) return proofRefused(url, 'use_dpop_nonce');
        if (error instanceof OfAnotherTime) return proofRefused(url, 'invalid_dpop_proof');
        throw error;
      },
    );
    response.setHeader('date', new Date(this.#now() * 1000).toUTCString());
    if (this.nonce !== undefined) response.setHeader('dpop-nonce', this.nonce);
    if (challenge !== undefined) response.setHeader('www-authenticate', challenge);
    if (this.faults.loseReplyOf && url.pathname.endsWith(this.faults.loseReplyOf)) {
      delete this.faults.loseReplyOf;
      request.socket.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json', ...(location && { location }) });
    response.end(document === undefined ? '' : JSON.stringify(document));
  }

  async #route(method: string, url: URL, request: IncomingMessage, body: string): Promise<Answer> {
    const steppedUp = this.asked.some(({ acr_values }) => acr_values === 'mfa');
    const refusals = { ...this.faults.refuse, ...(steppedUp ? {} : this.faults.wantsMfa) };
    const refused = Object.entries(refusals).find(([end]) => url.pathname.endsWith(end))?.[1];
    switch (`${method} ${url.pathname}`) {
      case 'GET /oauth/.well-known/openid-configuration':
        return ok({
          issuer: `${this.url}/oauth`,
          authorization_endpoint: `${this.url}/oauth/auth`,
          pushed_authorization_request_endpoint: `${this.url}/oauth/request`,
          device_authorization_endpoint: `${this.url}/oauth/device/auth`,
          token_endpoint: `${this.url}/oauth/token`,
          jwks_uri: `${this.url}/oauth/jwks`,
          authorization_response_iss_parameter_supported: true,
          id_token_signing_alg_values_supported: ['ES256'],
          ...this.faults.metadata,
        });
      case 'POST /oauth/request':
        return await this.#push(request, new URLSearchParams(body));
      case 'GET /oauth/auth':
        return this.#authorize(url.searchParams);
      case 'POST /oauth/device/auth':
        this.deviceKey = await this.#proof(request, 'POST', `${this.url}/oauth/device/auth`);
        return this.#startDevice(new URLSearchParams(body));
      case 'POST /oauth/token':
        if (refused) return problem(refused);
        return await this.#token(request, new URLSearchParams(body));
    }
    await this.#authenticate(method, url, request);
    if (refused) return problem(refused);
    if (this.faults.sessionOver) {
      return problem({ status: 401, code: 'session_ended', detail: 'The login session was ended.' });
    }
    return this.#api(method, url, body);
  }

  async #push(request: IncomingMessage, form: URLSearchParams): Promise<Answer> {
    const jkt = await this.#proof(request, 'POST', `${this.url}/oauth/request`);
    form.set('dpop_jkt', jkt);
    const request_uri = `urn:ietf:params:oauth:request_uri:${randomBytes(16).toString('base64url')}`;
    this.#pushed.set(request_uri, form);
    this.asked.push(Object.fromEntries(form));
    return { status: 201, document: { request_uri, expires_in: 60 } };
  }

  #authorize(address: URLSearchParams): Answer {
    const names = [...address.keys()].sort().join(' ');
    if (names !== 'client_id request_uri') throw new Error(`the address says ${names}`);
    const uri = address.get('request_uri') ?? '';
    const query = this.#pushed.get(uri);
    if (!query) throw new Error('nothing was pushed');
    this.#pushed.delete(uri);
    const back = new URL(query.get('redirect_uri') ?? '');
    const wanted = { client_id: 'sally', response_type: 'code', code_challenge_method: 'S256' };
    for (const [name, value] of Object.entries({ ...wanted, resource: `${this.url}/v1` })) {
      if (query.get(name) !== value) throw new Error(`${name} is ${query.get(name)}`);
    }
    if (!/^http:\/\/127\.0\.0\.1:\d+\/callback$/.test(back.href)) throw new Error(`redirect to ${back.href}`);
    const code = randomBytes(16).toString('base64url');
    this.#codes.set(code, query);
    const outcome = this.faults.loginError ?? { code };
    back.search = new URLSearchParams({
      ...outcome,
      state: query.get('state') ?? '',
      iss: this.faults.callbackIss ?? `${this.url}/oauth`,
    }).toString();
    return { status: 303, location: back.href };
  }

  async #token(request: IncomingMessage, form: URLSearchParams): Promise<Answer> {
    const jkt = await this.#proof(request, 'POST', `${this.url}/oauth/token`);
    if (form.get('client_id') !== 'sally') throw new Error('no client_id');
    if (form.get('grant_type') === 'authorization_code') {
      const query = this.#codes.get(form.get('code') ?? '');
      this.#codes.delete(form.get('code') ?? '');
      const challenge = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url');
      if (!query || query.get('code_challenge') !== challenge) return invalidGrant;
      if (query.get('dpop_jkt') !== jkt) return invalidGrant;
      if (query.get('redirect_uri') !== form.get('redirect_uri')) return invalidGrant;
      return ok({ ...this.#tokens(jkt), id_token: await this.#idToken(query.get('nonce') ?? '') });
    }
    if (form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:device_code') {
      const said = this.devicePolls.shift();
      if (said !== undefined) return { status: 400, document: { error: said } };
      return ok({ ...this.#tokens(jkt), id_token: await this.#idToken('') });
    }
    if (form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:token-exchange') {
      this.exchanged.push(Object.fromEntries(form));
      if (this.faults.sessionOver) return invalidGrant;
      const { refresh_token: _none, ...reply } = this.#tokens(jkt);
      return ok({ ...reply, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
    }
    this.refreshes += 1;
    if (this.faults.sessionOver) return invalidGrant;
    const token = form.get('refresh_token') ?? '';
    const known = this.#refresh.get(token);
    if (!known || known.jkt !== jkt) return invalidGrant;
    const successor = known.successor === undefined ? undefined : this.#refresh.get(known.successor);
    // A used token once more: only for a lost reply, whose successor nobody has used.
    if (known.successor !== undefined && (!successor || successor.successor !== undefined))
      return invalidGrant;
    if (known.successor !== undefined) this.#refresh.delete(known.successor);
    const reply = this.#tokens(jkt);
    known.successor = reply.refresh_token;
    return ok(reply);
  }

  #tokens(jkt: string) {
    const access_token = `access-${randomBytes(16).toString('hex')}`;
    const refresh_token = `refresh-${randomBytes(16).toString('hex')}`;
    this.#access.set(access_token, jkt);
    this.#refresh.set(refresh_token, { jkt });
    return { access_token, refresh_token, token_type: this.faults.tokenType ?? 'DPoP', expires_in: 300 };
  }

  #startDevice(form: URLSearchParams): Answer {
    this.asked.push(Object.fromEntries(form));
    const { refuseDevice, verificationUri, userCode } = this.faults;
    if (refuseDevice) {
      return { status: 400, document: { error: 'unauthorized_client', error_description: refuseDevice } };
    }
    return ok({
      device_code: 'the-device-code',
      user_code: userCode ?? 'BCDF-GHJK',
      verification_uri: verificationUri ?? `${this.url}/device`,
      expires_in: 300,
      interval: 5,
    });
  }

  async #idToken(nonce: string): Promise<string> {
    return await new SignJWT(nonce === '' ? {} : { nonce })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(`${this.url}/oauth`)
      .setAudience('sally')
      .setSubject('1')
      .setIssuedAt(this.#now())
      .setExpirationTime(this.#now() + 300)
      .sign(this.#idKey.privateKey);
  }

  #now(): number {
    return Math.floor(Date.now() / 1000) + (this.faults.clockOffsetSeconds ?? 0);
  }

  /** @returns the thumbprint of the key that made the proof */
  async #proof(request: IncomingMessage, method: string, url: string, accessToken?: string): Promise<string> {
    const { payload, protectedHeader } = await jwtVerify(String(request.headers['dpop']), EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['ES256'],
    });
    if (this.nonce !== undefined && payload['nonce'] !== this.nonce) throw new WantsNonce();
    if (Math.abs(this.#now() - (payload.iat ?? 0)) > 300) throw new OfAnotherTime();
    if (payload['htm'] !== method || payload['htu'] !== url) throw new Error('a proof for something else');
    if (!payload.jti || this.#proofs.has(payload.jti)) throw new Error('a proof was replayed');
    this.#proofs.add(payload.jti);
    if (accessToken !== undefined) {
      const ath = createHash('sha256').update(accessToken).digest('base64url');
      if (payload['ath'] !== ath) throw new Error('a proof for another token');
    }
    return await calculateJwkThumbprint(protectedHeader.jwk as Parameters<typeof calculateJwkThumbprint>[0]);
  }

  async #authenticate(method: string, url: URL, request: IncomingMessage): Promise<void> {
    const [scheme, token = ''] = String(request.headers.authorization).split(' ');
    const jkt = await this.#proof(request, method, `${this.url}${url.pathname}`, token);
    if (scheme !== 'DPoP' || this.#access.get(token) !== jkt)
      throw new Error('an access token that is not bound');
  }

  #api(method: string, url: URL, body: string): Answer {
    const answer = this.answers[`${method} ${url.pathname}`];
    if (body !== '') this.bodies.push(body);
    if (answer) return ok(answer);
    switch (`${method} ${url.pathname}`) {
      case 'GET /v1/session':
        return ok({ session: this.session(), organization: 'demo', role: 'admin' });
      case 'GET /v1/key-policy':
        return ok({ hardware_keys: 'off', attestation: false });
      case 'GET /v1/ssh-configuration':
        return ok(this.configuration);
      case 'POST /v1/session/end':
        this.ended.push(String(this.currentSession));
        return { status: 204 };
      case 'POST /v1/certificates/challenge': {
        const challenge = randomBytes(32).toString('base64url');
        this.#challenges.add(challenge);
        return ok({ challenge, namespace: 'pop@localhost', expires_in_seconds: 300 });
      }
      case 'POST /v1/certificates':
        return this.#certificateOf(certificateRequest.parse(JSON.parse(body)));
      case 'GET /v1/sessions':
        return ok({ sessions: this.sessions });
      case 'GET /v1/explain':
        this.explainQueries.push(Object.fromEntries(url.searchParams));
        return ok(this.explain(url.searchParams.get('target') ?? ''));
      case 'POST /v1/policy/test':
        this.policyTests.push(JSON.parse(body));
        return ok(this.policyReply);
    }
    const [, id = ''] = /^\/v1\/sessions\/([^/]+)\/revoke$/.exec(url.pathname) ?? [];
    if (method !== 'POST' || id === '') throw new Error(`no route ${method} ${url.pathname}`);
    return ok({
      session: id,
      account,
      version: '1795231778684',
      certificates_revoked: 3,
      companions: [{ name: 'gw', kind: 'gateway', acknowledged: true, connections_ended: 2 }],
    });
  }

  readonly explainQueries: Record<string, string>[] = [];
  readonly policyTests: unknown[] = [];
  policyReply: object = { passed: 0, failed: 0, results: [] };

  explain = (target: string): object => ({
    account,
    target,
    allowed: true,
    reasons: [],
    command: null,
    text: '',
  });

  #certificateOf(request: ReturnType<typeof certificateRequest.parse>): Answer {
    const certificate = this.#certificate(request);
    if (certificate) return ok(certificate);
    if (!request.possession) {
      return problem({ status: 422, code: 'key_possession_unproven', detail: 'The key is not proven.' });
    }
    return problem({
      status: 403,
      code: 'access_denied',
      detail: 'There is no enrolled machine with this host key.',
    });
  }

  #certificate(request: ReturnType<typeof certificateRequest.parse>): object | undefined {
    const { blob } = parsePublicKeyLine(request.public_key);
    const { possession } = request;
    if (!possession && !this.keptKeys.has(`${this.currentSession} ${request.public_key}`)) return undefined;
    if (possession) {
      verifySshsig({
        message: possessionMessage(this.currentSession, possession.challenge),
        namespace: 'pop@localhost',
        publicKeyBlob: blob,
        armored: possession.signature,
      });
    }
    const earlier = this.#requests.get(request.request_id);
    if (earlier) {
      if (earlier.key !== request.public_key) throw new Error('the same request with another key');
      return earlier.reply;
    }
    if (possession && !this.#challenges.delete(possession.challenge)) {
      throw new Error('a challenge was used twice');
    }
    if (possession?.keep) this.keptKeys.add(`${this.currentSession} ${request.public_key}`);
    const machine = request.machine && this.machines.get(request.machine);
    if (request.machine && !machine) return undefined;
    this.issued += 1;
    const now = BigInt(this.#now());
    const life = BigInt(machine ? 300 : (this.faults.certificateLifeSeconds ?? 3600));
    const name = this.faults.certificateFor ?? account;
    const { environment } = request;
    const roles = environment ? [`role:demo:${environment.project}:${environment.environment}:admin`] : [];
    const principals = machine ? [`at:${machine}`] : [name, `mfa:${name}`, ...roles];
    const toBeSigned = encodeToBeSigned({
      kind: 'user',
      publicKey: blob,
      nonce: randomBytes(32),
      serial: BigInt(1000 + this.issued),
      keyId: `${name}/${this.currentSession}`,
      principals,
      validAfter: now - 60n,
      validBefore: now + life,
      criticalOptions: [],
      extensions: ['permit-agent-forwarding', 'permit-pty'].map((name) => ({ name, value: '' })),
      caPublicKey: this.userCa.publicKeyBlob,
    });
    const certificate = certificateLine(
      assembleCertificate(toBeSigned, signWithKey(this.userCa.privateKey, toBeSigned)),
    );
    const reply = {
      certificate,
      serial: String(1000 + this.issued),
      key_id: `${name}/${this.currentSession}`,
      principals,
      valid_after: Number(now - 60n),
      valid_before: Number(now + life),
      account: name,
    };
    this.#requests.set(request.request_id, { key: request.public_key, reply });
    return reply;
  }
}

class WantsNonce extends Error {}

class OfAnotherTime extends Error {}

function proofRefused({ pathname }: URL, error: string): Answer {
  if (pathname.startsWith('/oauth/')) return { status: 400, document: { error } };
  return { status: 401, document: {}, challenge: `DPoP error="${error}"` };
}

interface Answer {
  readonly challenge?: string;
  readonly status: number;
  readonly document?: unknown;
  readonly location?: string;
}

const invalidGrant: Answer = { status: 400, document: { error: 'invalid_grant', error_description: 'no' } };

function ok(document: unknown): Answer {
  return { status: 200, document };
}

function problem({ status, code, detail, members }: Refusal): Answer {
  const title = 'refused';
  return {
    status,
    document: {
      ...members,
      type: `urn:sallyport:error:${code}`,
      title,
      status,
      code,
      detail,
      request_id: randomUUID(),
    },
  };
}
