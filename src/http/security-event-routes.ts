/** Security events that identity providers push to us (RFC 8935). */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { accountIdOfIdentity } from '../accounts/link-identity.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { useOnce } from '../limits/use-once.ts';
import type { IdentityProvider } from '../login/identity-provider.ts';
import { leaveTombstone } from '../login/logout-tombstones.ts';
import { noteHeard } from '../login/security-event-streams.ts';
import {
  oldestEventSeconds,
  readSecurityEvents,
  type SecurityAct,
  type SecurityEventToken,
} from '../login/security-events.ts';
import { endSessionsOfUpstream } from '../sessions/end-sessions.ts';
import { disableWithEverything } from './disable-account.ts';
import { type LogoutParts, providerOf } from './logout-routes.ts';
import { answerAsProviders } from './provider-answers.ts';

const bodyLimit = 32 * 1024;

export function securityEventRoutes(app: FastifyInstance, parts: LogoutParts): void {
  const { database, clock } = parts;
  void app.register(async (scope) => {
    answerAsProviders(scope, (description, error) => ({ err: errorOf(error), description }));
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      'application/secevent+jwt',
      { parseAs: 'string', bodyLimit },
      async (_request: FastifyRequest, body: string) => body,
    );

    scope.post(
      '/login/security-events/:provider',
      {
        bodyLimit,
        config: { auth: 'none', purpose: 'security events of an identity provider, signed by it' },
      },
      async (request, reply) => {
        const provider = await providerOf(parts, request);
        const token = await readSecurityEvents(provider, eventToken(request.body));
        const isNews = await inTransaction(database.db, (tx) => carryOut(tx, provider, token, clock()), {
          retries: 2,
        });
        const events = token.acts.map(({ what }) => what);
        request.log.info({ provider: provider.slug, events, isNews }, 'security events of the provider');
        // RFC 8935 section 2.2: accepted, with an empty body.
        return reply.code(202).send();
      },
    );
  });
}

/** The codes of RFC 8935 section 2.4. What the signature's check names is among the error's details. */
function errorOf(error: unknown): string {
  if (!isSallyportError(error) || error.code !== 'token_invalid') return 'invalid_request';
  if (error.detail === 'iss') return 'invalid_issuer';
  return error.detail === 'aud' ? 'invalid_audience' : 'invalid_request';
}

function eventToken(body: unknown): string {
  if (typeof body === 'string' && body !== '') return body.trim();
  throw new SallyportError('request_malformed', 'Send one security event token as application/secevent+jwt.');
}

/**
 * Whether it was news. One that came before changes nothing and is no error: transmitters send again what they have no
 * answer to (RFC 8935 section 2), and somebody else may.
 */
async function carryOut(
  tx: Tx,
  provider: IdentityProvider,
  { issuer, jti, acts }: SecurityEventToken,
  now: Date,
): Promise<boolean> {
  const until = new Date(now.getTime() + 2 * oldestEventSeconds * 1000);
  const once = { scope: `security event of ${provider.slug}`, identifier: jti };
  if (!(await useOnce(tx, once, until))) return false;
  for (const act of acts) await carryOutOne(tx, provider, issuer, act, now);
  const verified = acts.some(({ what }) => what === 'verification');
  await noteHeard(tx, { provider: provider.slug, verified }, now);
  return true;
}

async function carryOutOne(
  tx: Tx,
  { slug, organizationSlug: organization }: IdentityProvider,
  issuer: string,
  act: SecurityAct,
  now: Date,
): Promise<void> {
  if (act.what === 'verification') return;
  const { party, what } = act;
  const by = `provider:${slug}`;
  await leaveTombstone(tx, { organization, issuer, ...party }, now);
  // A person who is disabled at one provider is disabled here: an admin can enable them again.
  const accountId =
    what === 'session-revoked' || party.subject === null
      ? undefined
      : await accountIdOfIdentity(tx, { organization, issuer, subject: party.subject });
  const end = { issuer, ...party, within: { organization }, reason: 'provider_event', by };
  const sessions_ended =
    accountId === undefined
      ? (await endSessionsOfUpstream(tx, end, now)).sessions
      : (await disableWithEverything(tx, { accountId, by }, now)).sessions;
  await recordEvent(tx, {
    event: 'provider.told',
    ...(accountId === undefined ? {} : { accountId }),
    facts: { provider: slug, what, subject: party.subject, sessions_ended },
  });
}
