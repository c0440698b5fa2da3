/** Into the console and out of it. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { inTransaction } from '../database/transaction.ts';
import { browserOf } from '../http/callers.ts';
import { parseInput } from '../http/parse-input.ts';
import { sendPage } from '../http/security-headers.ts';
import { clearSessionCookie } from '../http/session-cookie.ts';
import { messagePage } from '../pages/message-page.ts';
import { stepUpSeconds } from '../policy/decide-step-up.ts';
import { endSession } from '../sessions/end-session.ts';
import type { ConsoleParts } from './console-parts.ts';
import { requireOwnForm } from './form.ts';
import { logInAgain } from './log-in-again.ts';
import { consoleHome, returnPath } from './return-path.ts';
import { signInBrowser } from './sign-in-browser.ts';

const signInQuery = z.strictObject({ return_to: z.string().max(2000).optional() });

export function signInRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { database, loginFlow, loginHandlers, publicUrl, clock } = parts;
  loginHandlers.set('browser', {
    finish: (login, request, reply) => signInBrowser(parts, login, request, reply),
  });

  app.get(
    '/console/sign-in',
    { config: { auth: 'none', purpose: 'leads to the identity provider' } },
    async (request, reply) => {
      const { return_to } = parseInput(signInQuery, request.query, 'query');
      return await loginFlow.begin(request, reply, {
        purpose: { kind: 'browser', returnTo: returnPath(return_to) },
        demand: { mfa: false, maxAgeSeconds: null, methods: null },
      });
    },
  );

  app.get(
    '/console/step-up',
    { config: { auth: 'browser', purpose: 'leads to a login with a second factor for the same session' } },
    async (request, reply) => {
      const { return_to } = parseInput(signInQuery, request.query, 'query');
      const { sessionId } = browserOf(request);
      const purpose = { kind: 'browser', returnTo: returnPath(return_to), renew: sessionId };
      const demand = { mfa: true, maxAgeSeconds: stepUpSeconds, methods: null };
      return await logInAgain(parts, request, reply, { purpose, demand });
    },
  );

  app.post(
    '/console/sign-out',
    { config: { auth: 'browser', purpose: 'ends the session of this browser' } },
    async (request, reply) => {
      requireOwnForm(request);
      const { sessionId, account } = browserOf(request);
      await inTransaction(database.db, (tx) =>
        endSession(tx, { sessionId, reason: 'logout', by: account }, clock()),
      );
      clearSessionCookie(reply, publicUrl);
      return reply.redirect('/console/signed-out', 303);
    },
  );

  app.get(
    '/console/signed-out',
    { config: { auth: 'none', purpose: 'says that the browser is signed out' } },
    async (_request, reply) =>
      sendPage(
        reply,
        messagePage({
          title: 'You are signed out',
          paragraphs: ['Your session in this browser has ended. SSH sessions of sally are not affected.'],
          action: { href: consoleHome, text: 'Sign in again' },
        }),
      ),
  );
}
