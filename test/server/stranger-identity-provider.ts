/**
 * An organization's identity provider as a stranger would have it, nothing of the demo's: oidc-provider with its own
 * defaults (RS256, claims at the userinfo endpoint, a session that is remembered), the client's secret in the request's body,
 * names in `upn`, groups in `roles`, a scope of its own for them, and a security key as the second factor.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type JWKS } from 'oidc-provider';
import { Browser, type VisitedPage } from '../../src/dev/tour/browser.ts';

export interface StrangerPerson {
  readonly subject: string;
  readonly upn: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly pin: string;
  readonly hasSecurityKey: boolean;
}

export interface StrangerIdentityProvider {
  readonly issuer: string;
  readonly client: { readonly id: string; readonly secret: string };
  /** How the token endpoint was asked: what the client sent beside the code. */
  readonly tokenRequests: readonly { readonly authorization: boolean; readonly secretInBody: boolean }[];
  close(): Promise<void>;
}

const client = { id: 'ssh-access', secret: randomBytes(24).toString('base64url') };

export async function startStrangerIdentityProvider(
  redirectUri: string,
  people: readonly StrangerPerson[],
): Promise<StrangerIdentityProvider> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    clientAuthMethods: ['client_secret_post'],
    jwks: { keys: [rsaKey()] } as JWKS,
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    claims: { openid: ['sub', 'amr', 'auth_time'], profile: ['upn', 'display_name'], roles: ['roles'] },
    features: { devInteractions: { enabled: false } },
    ttl: { Interaction: 600, Grant: 600, Session: 600, AccessToken: 300, IdToken: 300 },
    interactions: { url: (_ctx, { uid }) => `/sign-in/${uid}` },
    findAccount: (_ctx, subject) => {
      const person = people.find((each) => each.subject === subject);
      if (!person) return undefined;
      const { upn, name, roles } = person;
      return { accountId: subject, claims: () => ({ sub: subject, upn, display_name: name, roles }) };
    },
  });
  const tokenRequests: { authorization: boolean; secretInBody: boolean }[] = [];
  provider.on('grant.success', (ctx) => {
    tokenRequests.push({
      authorization: ctx.headers.authorization !== undefined,
      secretInBody: ctx.oidc.params?.['client_secret'] === client.secret,
    });
  });
  const callback = provider.callback();
  server.on('request', (request, response) => {
    if (!request.url?.startsWith('/sign-in/')) return void callback(request, response);
    signIn(provider, people, request, response).catch((error: Error) => {
      response.writeHead(500).end(String(error.stack));
    });
  });
  return {
    issuer,
    client,
    tokenRequests,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** What a person does at this provider's own form; the browser goes on to where it is sent then. */
export async function signInAsStranger(address: URL, person: StrangerPerson): Promise<VisitedPage> {
  const browser = new Browser();
  const page = await browser.open(address);
  if (!page.text.includes('name="pin"')) return page;
  const body = new URLSearchParams({
    login: person.upn,
    pin: person.pin,
    ...(person.hasSecurityKey ? { touched: 'yes' } : {}),
  });
  return await browser.open(page.url, { method: 'POST', body, from: page.url });
}

async function signIn(
  provider: Provider,
  people: readonly StrangerPerson[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { params } = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html');
    response.end('<form method=post><input name="login"><input name="pin"><input name="touched"></form>');
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const form = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
  const person = people.find((each) => each.upn === form.get('login') && each.pin === form.get('pin'));
  if (!person) {
    response.writeHead(401).end('wrong');
    return;
  }
  const grant = new provider.Grant({ accountId: person.subject, clientId: String(params['client_id']) });
  grant.addOIDCScope(String(params['scope']));
  const amr = form.get('touched') === 'yes' ? ['pwd', 'hwk'] : ['pwd'];
  await provider.interactionFinished(request, response, {
    login: { accountId: person.subject, amr },
    consent: { grantId: await grant.save() },
  });
}

function rsaKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' };
}
