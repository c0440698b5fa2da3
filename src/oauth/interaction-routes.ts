/** Where an authorization request of `sally` goes on: to the login. Nothing of an earlier login is reused. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type Provider from 'oidc-provider';
import { errors } from 'oidc-provider';
import { isSallyportError } from '../errors/sallyport-error.ts';
import type { LoginFlow, LoginPurposeHandler } from '../login/login-flow.ts';
import { loginRefusedPage } from '../login/login-pages.ts';
import { stateInvalid } from '../login/login-state.ts';
import { sendLoginPage } from '../login/send-login-page.ts';
import { demandOf, providerParameter } from './authorization-parameters.ts';
import { interactionPath, mountPath } from './paths.ts';

export interface InteractionRouteParts {
  readonly provider: Provider;
  readonly flow: Pick<LoginFlow, 'begin'>;
  /** Of the purpose `helper`. */
  readonly helper: LoginPurposeHandler;
}

/** Needs @fastify/cookie. */
export function registerInteractionRoutes(app: FastifyInstance, parts: InteractionRouteParts): void {
  app.get<{ Params: { uid: string } }>(
    `${mountPath}${interactionPath}/:uid`,
    { config: { auth: 'none', purpose: 'leads a login of sally to the identity provider' } },
    async (request, reply) => {
      try {
        return await toLogin(parts, request, reply);
      } catch (error) {
        if (isSallyportError(error)) request.log.info({ code: error.code, status: error.status }, 'refused');
        else request.log.error({ err: error }, 'login failed');
        const { html, status } = loginRefusedPage(error, request.id);
        return sendLoginPage(reply, html, status);
      }
    },
  );
}

async function toLogin(
  { provider, flow, helper }: InteractionRouteParts,
  request: FastifyRequest<{ Params: { uid: string } }>,
  reply: FastifyReply,
): Promise<unknown> {
  const { uid } = request.params;
  const interaction = await provider.interactionDetails(request.raw, reply.raw).catch((error) => {
    if (error instanceof errors.SessionNotFound) return undefined;
    throw error;
  });
  if (interaction?.uid !== uid) throw stateInvalid();
  const wanted = interaction.params[providerParameter];
  const purpose = { kind: 'helper', interaction: uid } as const;
  try {
    return await flow.begin(request, reply, {
      purpose,
      demand: demandOf(interaction.params),
      // Whoever led the browser here may be waiting at that loopback port himself for the code, so what the identity
      // provider remembers must not do: the person sees a login, and can wonder at it (RFC 8252 section 8.6).
      fresh: true,
      ...(typeof wanted === 'string' ? { provider: wanted } : {}),
    });
  } catch (error) {
    // No provider of this name: `sally` has asked for it, and waits.
    const isUnknown = isSallyportError(error) && error.code === 'not_found';
    const told = isUnknown ? await helper.fail?.(error, purpose, request, reply) : undefined;
    if (told === undefined) throw error;
    return told;
  }
}
