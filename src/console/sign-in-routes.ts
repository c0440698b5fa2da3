/** Into the console, and to a second factor. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { browserOf } from '../http/callers.ts';
import { parseInput } from '../http/parse-input.ts';
import { stepUpSeconds } from '../policy/decide-step-up.ts';
import type { ConsoleParts } from './console-parts.ts';
import { logInAgain } from './log-in-again.ts';
import { returnPath } from './return-path.ts';
import { signInBrowser } from './sign-in-browser.ts';

const signInQuery = z.strictObject({ return_to: z.string().max(2000).optional() });

export function signInRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { loginFlow, loginHandlers } = parts;
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
}
