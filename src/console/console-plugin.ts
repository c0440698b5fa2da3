/** The console: pages for admins, and for everybody about themselves. Register it on the HTTP application. */
import formbody from '@fastify/formbody';
import type { FastifyInstance } from 'fastify';
import { accountRoutes } from './account-routes.ts';
import { companionRoutes } from './companion-routes.ts';
import { connectionRoutes } from './connection-routes.ts';
import type { ConsoleParts } from './console-parts.ts';
import { identityRoutes } from './identity-routes.ts';
import { providerRoutes } from './provider-routes.ts';
import { consoleHome } from './return-path.ts';
import { securityRoutes } from './security-routes.ts';
import { sessionRoutes } from './session-routes.ts';
import { signInRoutes } from './sign-in-routes.ts';
import { signInSettingsRoutes } from './sign-in-settings-routes.ts';
import { signOutRoutes } from './sign-out-routes.ts';
import { targetPageRoutes } from './target-routes.ts';
import { tokenRoutes } from './token-routes.ts';

export async function consolePlugin(app: FastifyInstance, parts: ConsoleParts): Promise<void> {
  // Its forms, and nothing else: a body of another kind is refused.
  app.removeAllContentTypeParsers();
  await app.register(formbody, { bodyLimit: 32 * 1024 });
  for (const url of ['/', '/console']) {
    app.get(url, { config: { auth: 'none', purpose: 'leads to the console' } }, async (_request, reply) =>
      reply.redirect(consoleHome, 303),
    );
  }
  signInRoutes(app, parts);
  signOutRoutes(app, parts);
  sessionRoutes(app, parts);
  targetPageRoutes(app, parts);
  accountRoutes(app, parts);
  companionRoutes(app, parts);
  connectionRoutes(app, parts);
  identityRoutes(app, parts);
  signInSettingsRoutes(app, parts);
  providerRoutes(app, parts);
  securityRoutes(app, parts);
  tokenRoutes(app, parts);
}
