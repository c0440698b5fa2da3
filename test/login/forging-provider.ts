/** An identity provider that says whatever a test wants, to see what is believed. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

export interface ForgingProvider {
  readonly issuer: string;
  /** Members of the discovery document that are different; undefined leaves one out. */
  metadata: Record<string, unknown>;
  /** Claims of the next ID token that are different; undefined leaves one out. */
  claims: Record<string, unknown>;
  /** Members of the token endpoint's answer that are different; undefined leaves one out. */
  tokens: Record<string, unknown>;
  /** Makes the next ID token instead. */
  sign: ((claims: JWTPayload) => Promise<string> | string) | null;
  userinfo: Record<string, unknown> | null;
  /** Answers the next requests instead. */
  answer: ((path: string, response: ServerResponse) => boolean) | null;
  /** Bodies that the token endpoint was sent. */
  readonly redeemed: URLSearchParams[];
  readonly requests: string[];
  /** What its keys are asked for. */
  keys: Record<string, unknown>[];
  nonce: string;
  honestSign(claims: JWTPayload): Promise<string>;
  close(): Promise<void>;
}

export async function startForgingProvider(clientId: string): Promise<ForgingProvider> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: ForgingProvider = {
    issuer,
    metadata: {},
    claims: {},
    tokens: {},
    sign: null,
    userinfo: null,
    answer: null,
    redeemed: [],
    requests: [],
    keys: [],
    nonce: '',
    honestSign: (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'honest' }).sign(privateKey),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  const ownKey = { ...(await exportJWK(publicKey)), kid: 'honest', alg: 'ES256', use: 'sig' };
  provider.keys = [ownKey];

  server.on('request', async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', issuer);
    provider.requests.push(pathname);
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk);
    if (provider.answer?.(pathname, response)) return;
    const json = (value: unknown) =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
    switch (pathname) {
      case '/.well-known/openid-configuration':
        json({
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/jwks`,
          userinfo_endpoint: `${issuer}/userinfo`,
          authorization_response_iss_parameter_supported: true,
          id_token_signing_alg_values_supported: ['ES256'],
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
          ...provider.metadata,
        });
        break;
      case '/jwks':
        json({ keys: provider.keys });
        break;
      case '/token': {
        provider.redeemed.push(new URLSearchParams(Buffer.concat(body).toString('utf8')));
        const now = Math.floor(Date.now() / 1000);
        const claims = {
          iss: issuer,
          aud: clientId,
          sub: 'subject-1',
          iat: now,
          exp: now + 60,
          auth_time: now,
          nonce: provider.nonce,
          email: 'alice@acme.test',
          email_verified: true,
          name: 'Alice',
          groups: ['admins'],
          amr: ['mfa'],
          ...provider.claims,
        };
        json({
          access_token: 'at',
          token_type: 'bearer',
          id_token: await (provider.sign ?? provider.honestSign)(claims as JWTPayload),
          ...provider.tokens,
        });
        break;
      }
      case '/userinfo':
        json(provider.userinfo ?? { sub: 'subject-1' });
        break;
      default:
        response.writeHead(404).end();
    }
  });
  return provider;
}
