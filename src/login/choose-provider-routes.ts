/** Which identity provider: asked where there are several. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { chooseProviderPage } from '../pages/choose-provider-page.ts';
import { providersFor, sendToProvider } from './begin-login.ts';
import { readBrowserSecret } from './browser-secret.ts';
import { allowBeginning } from './limit-logins.ts';
import { atStep } from './login-attempt.ts';
import type { LoginBeginning, LoginFlowParts } from './login-purpose.ts';
import { stateInvalid } from './login-state.ts';
import { peekPending } from './pending-login.ts';
import { refuseLogin } from './refuse-login.ts';
import { sendLoginPage } from './send-login-page.ts';

type Chosen = FastifyRequest<{ Params: { handle: string; provider: string } }>;

export function registerChoiceRoutes(app: FastifyInstance, parts: LoginFlowParts): void {
  app.get<{ Params: { handle: string } }>(
    '/login/choose/:handle',
    {
      config: { auth: 'none', purpose: 'page: which identity provider; of the browser that began the login' },
    },
    async (request, reply) => {
      try {
        const { handle } = request.params;
        const found = await providersFor(parts, await beginningOf(parts, handle, request));
        const providers = found.map(({ slug, name, organizationSlug: organization, issuer }) => {
          const { host } = new URL(issuer);
          return { name, organization, host, href: `/login/choose/${handle}/${slug}` };
        });
        return sendLoginPage(reply, chooseProviderPage({ providers }));
      } catch (error) {
        return await refuseLogin(parts, error, request, reply);
      }
    },
  );
  app.get<{ Params: { handle: string; provider: string } }>(
    '/login/choose/:handle/:provider',
    { config: { auth: 'none', purpose: 'leads to the identity provider that was chosen' } },
    async (request, reply) => {
      try {
        return await toChosen(parts, request, reply);
      } catch (error) {
        return await refuseLogin(parts, error, request, reply);
      }
    },
  );
}

/** The choice may be made again: whoever goes back has not logged in yet. */
async function toChosen(parts: LoginFlowParts, request: Chosen, reply: FastifyReply): Promise<unknown> {
  const { handle, provider: slug } = request.params;
  const start = await beginningOf(parts, handle, request);
  const offered = await providersFor(parts, start);
  if (!offered.some((one) => one.slug === slug)) throw stateInvalid();
  await allowBeginning(parts, request);
  return await sendToProvider(parts, request, reply, { provider: await parts.providers.get(slug), start });
}

async function beginningOf(
  { database, sealer, publicUrl, clock }: LoginFlowParts,
  handle: string,
  request: FastifyRequest,
): Promise<LoginBeginning> {
  const browserSecret = readBrowserSecret(request, publicUrl);
  const { payload } = await peekPending({ db: database.db, sealer, browserSecret }, handle, clock());
  return atStep(payload, 'choose').start;
}
