/** A new login of somebody who is signed in: at the provider of their session, and never by one of before. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { browserOf } from '../http/callers.ts';
import type { LoginBeginning } from '../login/login-purpose.ts';
import type { ConsoleParts } from './console-parts.ts';

export async function logInAgain(
  { database, providers, loginFlow }: Pick<ConsoleParts, 'database' | 'providers' | 'loginFlow'>,
  request: FastifyRequest,
  reply: FastifyReply,
  start: Pick<LoginBeginning, 'purpose' | 'demand'>,
): Promise<unknown> {
  const { sessionId, organization } = browserOf(request);
  const { provider_slug } = await database.db
    .selectFrom('login_sessions')
    .select('provider_slug')
    .where('id', '=', sessionId)
    .executeTakeFirstOrThrow();
  // It may be gone since; then whichever there is, and the account decides.
  const provider = (await providers.list()).find(({ slug }) => slug === provider_slug)?.slug;
  return await loginFlow.begin(request, reply, {
    ...start,
    fresh: true,
    organization,
    ...(provider === undefined ? {} : { provider }),
  });
}
