/** The OAuth authorization server under /oauth, and the login pages in front of it. */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { AppParts } from './app-parts.ts';

const methods: HTTPMethods[] = ['GET', 'POST', 'DELETE', 'OPTIONS', 'PUT'];

export async function mountAuthorizationServer(
  app: FastifyInstance,
  { authorizationServer }: Pick<AppParts, 'authorizationServer'>,
): Promise<void> {
  await app.register(async (scope) => {
    // It reads request bodies itself, so here they stay unread.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _body, done) => done(null));
    scope.route({
      method: methods,
      url: '/oauth/*',
      config: {
        auth: 'none',
        purpose: 'OAuth authorization server; checks clients, codes and tokens itself',
      },
      handler: (request: FastifyRequest, reply: FastifyReply) => {
        reply.hijack();
        // It reads its client's address from there, and whatever stands there it believes.
        request.raw.headers['x-forwarded-for'] = request.ip;
        authorizationServer.handler(request.raw, reply.raw);
      },
    });
  });
  authorizationServer.registerRoutes(app);
}
