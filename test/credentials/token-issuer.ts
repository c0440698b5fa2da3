/** An issuer of CI tokens on this machine: any path of it is an issuer of its own. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

export interface Minted {
  readonly issuer: string;
  readonly audience: string | string[];
  readonly claims: Record<string, unknown>;
  readonly now: Date;
  readonly header?: Record<string, unknown>;
  /** Signs instead of the issuer's key. */
  readonly key?: PrivateKey | Uint8Array;
  /** null: none, as Forgejo's. */
  readonly jti?: string | null;
  /** Over exp, nbf, iat; undefined leaves one out. */
  readonly times?: Record<string, number | undefined>;
}

export interface TestIssuer {
  readonly origin: string;
  /** Paths that were asked for. */
  readonly requests: string[];
  /** What it answers instead of its documents. */
  answer: ((path: string) => { status: number; body: string } | undefined) | undefined;
  rotate(): Promise<void>;
  publicJwk(): JWK;
  mint(token: Minted): Promise<string>;
  close(): Promise<void>;
}

export async function startTestIssuer(): Promise<TestIssuer> {
  const requests: string[] = [];
  let key: { privateKey: PrivateKey; jwk: JWK };
  async function rotate(): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair('RS256');
    key = {
      privateKey,
      jwk: { ...(await exportJWK(publicKey)), kid: randomUUID(), alg: 'RS256', use: 'sig' },
    };
  }
  await rotate();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push(path);
    const issuer = origin() + path.replace('/.well-known/openid-configuration', '');
    const other = issuers.answer?.(path);
    const body = path.endsWith('/jwks')
      ? { keys: [key.jwk] }
      : { issuer, jwks_uri: `${origin()}/jwks`, id_token_signing_alg_values_supported: ['RS256'] };
    response.writeHead(other?.status ?? 200, { 'content-type': 'application/json' });
    response.end(other?.body ?? JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuers: TestIssuer = {
    origin: origin(),
    requests,
    answer: undefined,
    rotate,
    publicJwk: () => key.jwk,
    mint: async ({ issuer, audience, claims, now, header, key: signer, jti = randomUUID(), times }) => {
      const seconds = Math.floor(now.getTime() / 1000);
      return await new SignJWT({
        ...claims,
        iss: issuer,
        aud: audience,
        ...(jti === null ? {} : { jti }),
        iat: seconds,
        nbf: seconds,
        exp: seconds + 300,
        ...times,
      })
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: key.jwk.kid ?? '', ...header })
        .sign(signer ?? key.privateKey);
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return issuers;
}
