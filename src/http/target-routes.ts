/** What a person can reach by SSH, how, and why not. */
import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { targetName } from '../api/common.ts';
import { type ExplainReply, explainQuery } from '../api/explain.ts';
import { type ServicesReply, servicesQuery } from '../api/services.ts';
import type { SshConfiguration } from '../api/ssh-configuration.ts';
import { mostTargetsOfPage } from '../api/targets.ts';
import { hasLostCertificate } from '../ca/lost-certificate.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import type { AppParts } from './app-parts.ts';
import { personOf } from './callers.ts';
import { explainAccess, somebodyElse, suppositionOf } from './explain-access.ts';
import { membershipOf } from './membership.ts';
import { parseInput } from './parse-input.ts';
import { sshConfigurationFor } from './ssh-configuration.ts';
import { visibleServices } from './visible-services.ts';
import { visibleTargets } from './visible-targets.ts';

const targetsQuery = z.strictObject({
  after: targetName.optional(),
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,3}$/)
    .transform(Number)
    .refine((limit) => limit <= mostTargetsOfPage, `is at most ${mostTargetsOfPage}`)
    .default(mostTargetsOfPage),
});

export function targetRoutes(
  app: FastifyInstance,
  { database, authority, clock }: Pick<AppParts, 'database' | 'authority' | 'clock'>,
): void {
  app.get(
    '/v1/explain',
    {
      config: {
        auth: 'person',
        machines: true,
        purpose: 'would I get in, and why not; for admins also somebody else',
      },
    },
    async (request): Promise<ExplainReply> => {
      const query = parseInput(explainQuery, request.query, 'query');
      const { target: targetName, account } = query;
      const { sessionId, accountId, roleLimit } = personOf(request);
      const now = clock();
      const nowSeconds = Math.floor(now.getTime() / 1000);
      const supposition = suppositionOf(query, nowSeconds);
      return await inTransaction(database.db, async (tx) => {
        const membership = await membershipOf(tx, accountId, now, roleLimit);
        const seesAll = membership.role === 'admin';
        const question = { targetName, supposition, seesAll };
        if (account === undefined || account === membership.account) {
          const { facts: session } = await lockLiveSession(tx, sessionId, 'share', now);
          const login = { session, words: 'your login' };
          const explained = await explainAccess(tx, { accountId, login, ...question }, nowSeconds);
          return (await hasLostCertificate(tx, sessionId, now)) ? { ...explained, renew: true } : explained;
        }
        if (!seesAll) {
          throw new SallyportError(
            'forbidden',
            `Only admins of ${membership.organization} may ask about others. About yourself: sally explain ${targetName}`,
          );
        }
        const { organizationId } = membership;
        const other = await somebodyElse(tx, { name: account, organizationId }, supposition, now);
        return await explainAccess(
          tx,
          { accountId: other.account.id, login: other.login, ...question },
          nowSeconds,
        );
      });
    },
  );

  app.get(
    '/v1/targets',
    {
      config: { auth: 'person', machines: true, purpose: 'targets that one may see, with how and why not' },
    },
    async (request, reply) => {
      const { after, limit } = parseInput(targetsQuery, request.query, 'query');
      const page = await inTransaction(database.db, (tx) =>
        visibleTargets(tx, personOf(request), { after, limit }, clock()),
      );
      const text = JSON.stringify(page);
      // Weak: it stands for what is said, not for how it was compressed on the way (RFC 9110 section 8.8.1).
      const tag = `W/"${createHash('sha256').update(text).digest('base64url')}"`;
      reply.header('etag', tag);
      if (request.headers['if-none-match']?.split(/\s*,\s*/).includes(tag)) return reply.code(304).send();
      return reply.type('application/json; charset=utf-8').send(text);
    },
  );

  app.get(
    '/v1/services',
    {
      config: {
        auth: 'person',
        machines: true,
        purpose: 'services that one may tunnel to by way of a target, and why not to others',
      },
    },
    async (request): Promise<ServicesReply> => {
      const { target } = parseInput(servicesQuery, request.query, 'query');
      return await inTransaction(database.db, (tx) =>
        visibleServices(tx, personOf(request), target, clock()),
      );
    },
  );

  app.get(
    '/v1/ssh-configuration',
    {
      config: { auth: 'person', machines: true, purpose: 'gateways, targets and host CA for the ssh config' },
    },
    async (request): Promise<SshConfiguration> => {
      const person = personOf(request);
      const hostAuthorities = await authority.hostAuthorityLines();
      return await inTransaction(database.db, (tx) =>
        sshConfigurationFor(tx, person, hostAuthorities, clock()),
      );
    },
  );

  app.get(
    '/ssh/authority',
    { config: { auth: 'none', purpose: 'public keys of the user CA, as TrustedUserCAKeys wants them' } },
    async (_request, reply) => {
      const keys = await authority.userAuthorities();
      return reply
        .type('text/plain; charset=utf-8')
        .send(keys.map(({ publicKeyLine }) => `${publicKeyLine}\n`).join(''));
    },
  );
}
