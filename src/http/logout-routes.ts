/**
 * What identity providers send us about sessions there: logouts (OpenID Connect Back-Channel and Front-Channel Logout
 * 1.0) and security events. No person is asking; the signature of what is sent is checked instead.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { invalid, logOutUpstream, readLogoutToken } from '../login/back-channel-logout.ts';
import { logOutBrowser } from '../login/front-channel-logout.ts';
import type { IdentityProvider } from '../login/identity-provider.ts';
import { messagePage } from '../pages/message-page.ts';
import type { AppParts } from './app-parts.ts';
import { parseInput } from './parse-input.ts';
import { answerAsProviders } from './provider-answers.ts';

export type LogoutParts = Pick<AppParts, 'database' | 'providers' | 'clock'>;

const bodyLimit = 32 * 1024;
const frontChannelQuery = z.looseObject({ iss: z.string().max(2048), sid: z.string().min(1).max(255) });

export function logoutRoutes(app: FastifyInstance, parts: LogoutParts): void {
  const { database, clock } = parts;
  void app.register(async (scope) => {
    answerAsProviders(scope, (error_description) => ({ error: 'invalid_request', error_description }));
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit },
      async (_request: FastifyRequest, body: string) => new URLSearchParams(body),
    );

    scope.post(
      '/login/back-channel-logout/:provider',
      { bodyLimit, config: { auth: 'none', purpose: 'an identity provider’s logout token, signed by it' } },
      async (request, reply) => {
        const provider = await providerOf(parts, request);
        const token = await readLogoutToken(provider, logoutToken(request.body));
        const ended = await inTransaction(database.db, (tx) => logOutUpstream(tx, token, provider, clock()), {
          retries: 2,
        });
        if (ended === undefined) throw invalid('no session here is of the session or person that it names');
        request.log.info({ provider: provider.slug, sessions: ended.sessions }, 'logged out by the provider');
        return reply.code(200).send();
      },
    );

    scope.get(
      '/login/front-channel-logout/:provider',
      { config: { auth: 'none', purpose: 'ends a browser session whose name at the provider is known' } },
      async (request, reply) => {
        const provider = await providerOf(parts, request);
        const { iss, sid } = parseInput(frontChannelQuery, request.query, 'query');
        await inTransaction(database.db, (tx) => logOutBrowser(tx, { iss, sid }, provider, clock()), {
          retries: 2,
        });
        return reply
          .header('content-security-policy', framedBy(provider))
          .header('cross-origin-resource-policy', 'cross-origin')
          .type('text/html; charset=utf-8')
          .send(
            messagePage({
              title: 'You are signed out',
              paragraphs: ['Your session in this browser has ended.'],
            }),
          );
      },
    );
  });
}

/** @throws not_found */
export async function providerOf(
  { providers }: Pick<AppParts, 'providers'>,
  request: FastifyRequest,
): Promise<IdentityProvider> {
  return await providers.get(String((request.params as { provider?: unknown }).provider));
}

/** Other parameters are ignored, as section 2.5 wants; this one stands there once. @throws request_malformed */
function logoutToken(body: unknown): string {
  const tokens = body instanceof URLSearchParams ? body.getAll('logout_token') : [];
  const [token] = tokens;
  if (tokens.length === 1 && token) return token;
  throw new SallyportError('request_malformed', 'Send one logout_token in a form.');
}

/** Nothing but text, and in a frame only of that provider. */
function framedBy({ issuer }: IdentityProvider): string {
  return `default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors ${new URL(issuer).origin}`;
}
