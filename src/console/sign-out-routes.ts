/** Out of the console, and out of the identity provider (OpenID Connect RP-Initiated Logout 1.0). */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { inTransaction } from '../database/transaction.ts';
import { browserOf } from '../http/callers.ts';
import { sendPage } from '../http/security-headers.ts';
import { clearSessionCookie } from '../http/session-cookie.ts';
import type { IdentityProvider } from '../login/identity-provider.ts';
import { messagePage } from '../pages/message-page.ts';
import { signingOutPage } from '../pages/signing-out-page.ts';
import { endSession } from '../sessions/end-session.ts';
import type { ConsoleParts } from './console-parts.ts';
import { requireOwnForm } from './form.ts';
import { consoleHome } from './return-path.ts';

const signedOut = '/console/signed-out';

export function signOutRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { database, publicUrl, clock } = parts;

  app.post(
    '/console/sign-out',
    {
      config: {
        auth: 'browser',
        purpose: 'ends the session of this browser, then leads to the provider’s sign-out',
      },
    },
    async (request, reply) => {
      requireOwnForm(request);
      const { sessionId, account } = browserOf(request);
      await inTransaction(database.db, (tx) =>
        endSession(tx, { sessionId, reason: 'logout', by: account }, clock()),
      );
      clearSessionCookie(reply, publicUrl);
      const provider = await providerOf(parts, sessionId, request);
      const url = provider && (await endSessionUrl(parts, provider, request));
      if (!provider || !url) return reply.redirect(signedOut, 303);
      reply.header('refresh', `0;url=${url.href}`);
      return sendPage(reply, signingOutPage({ provider: provider.name, address: url.href }));
    },
  );

  app.get(
    signedOut,
    { config: { auth: 'none', purpose: 'says that the browser is signed out' } },
    async (_request, reply) =>
      sendPage(
        reply,
        messagePage({
          title: 'You are signed out',
          paragraphs: [
            'Your session in this browser has ended. Sessions of sally go on, unless your identity provider ends them too.',
          ],
          action: { href: consoleHome, text: 'Sign in again' },
        }),
      ),
  );
}

/** Whoever wants to leave leaves, whether the provider is there or not. */
async function providerOf(
  { database, providers }: ConsoleParts,
  sessionId: string,
  { log }: FastifyRequest,
): Promise<IdentityProvider | undefined> {
  const session = await database.db
    .selectFrom('login_sessions')
    .select('provider_slug')
    .where('id', '=', sessionId)
    .executeTakeFirst();
  const slug = session?.provider_slug;
  if (slug === undefined || slug === null) return undefined;
  return await providers.get(slug).catch((error) => {
    log.warn({ err: error }, 'signed out here only');
    return undefined;
  });
}

async function endSessionUrl(
  { publicUrl }: ConsoleParts,
  provider: IdentityProvider,
  { log }: FastifyRequest,
): Promise<URL | null> {
  const postLogoutRedirectUri = new URL(signedOut, publicUrl);
  return await provider.endSessionUrl({ postLogoutRedirectUri }).catch((error) => {
    log.warn({ err: error }, 'signed out here only');
    return null;
  });
}
