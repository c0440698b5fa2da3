/** The callbacks of all providers, and the end of a login. Nothing of an earlier login is reused. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { afterReply } from './after-reply.ts';
import { readBrowserSecret } from './browser-secret.ts';
import { notePurpose } from './identity-provider.ts';
import { readAttempt } from './login-attempt.ts';
import type { LoginFlowParts } from './login-purpose.ts';
import { refuseLogin } from './refuse-login.ts';

/** The provider of the settings SALLYPORT_OIDC_*. */
const defaultProvider = 'default';

/** Needs @fastify/cookie. */
export function registerLoginRoutes(app: FastifyInstance, parts: LoginFlowParts): void {
  const receive = async (slug: string, request: FastifyRequest, reply: FastifyReply) => {
    try {
      return await receiveReply(parts, slug, request, reply);
    } catch (error) {
      const provider = await parts.providers.get(slug).catch(() => undefined);
      return await refuseLogin(parts, error, request, reply, provider?.issuer);
    }
  };
  app.get(
    '/login/callback',
    { config: { auth: 'none', purpose: 'the identity provider’s reply; checks state and browser itself' } },
    (request, reply) => receive(defaultProvider, request, reply),
  );
  app.get<{ Params: { provider: string } }>(
    '/login/callback/:provider',
    { config: { auth: 'none', purpose: 'the same of the other providers, each with a callback of its own' } },
    (request, reply) => receive(request.params.provider, request, reply),
  );
}

async function receiveReply(
  parts: LoginFlowParts,
  slug: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { providers, publicUrl } = parts;
  const secret = readBrowserSecret(request, publicUrl);
  const provider = await providers.get(slug);
  const result = await provider.finishLogin(new URL(request.url, publicUrl), secret);
  try {
    const attempt = readAttempt(result.purpose);
    return await afterReply(parts, { provider, result, attempt }, request, reply);
  } catch (error) {
    throw notePurpose(error, result.purpose);
  }
}
