/**
 * The identities that one logs in with. Another one is linked by proving both in this browser: a new login of the account,
 * then one at the other provider. Its reply is checked like that of any login, with the same rules for e-mail addresses.
 */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { requireDomain } from '../accounts/domains.ts';
import { canonicalAccountName } from '../accounts/identity.ts';
import { accountIdOfIdentity, identitiesOf, linkIdentity } from '../accounts/link-identity.ts';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { browserOf } from '../http/callers.ts';
import { sendPage } from '../http/security-headers.ts';
import { isKnownAtProvider } from '../login/known-at-provider.ts';
import type { LoginDemand, ProvenLogin } from '../login/login-flow.ts';
import { passkeysOf } from '../login/passkey-store.ts';
import { unlinkOwnIdentity } from '../login/unlink-identity.ts';
import { identitiesPage } from '../pages/identities-page.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import type { ConsoleParts } from './console-parts.ts';
import { readOwnForm } from './form.ts';

const path = '/console/identities';
/** No more than the organization asks of its logins. */
const noDemand: LoginDemand = { mfa: false, maxAgeSeconds: null, methods: null };

const linkForm = z.strictObject({ provider: z.string().max(40) });
const unlinkForm = z.strictObject({ issuer: z.string().max(2_048), subject: z.string().max(255) });
/** Written here, kept on the server. */
const ownPurpose = z.looseObject({ accountId: z.uuid(), sessionId: z.uuid(), target: z.string() });
const otherPurpose = z.looseObject({ accountId: z.uuid(), sessionId: z.uuid() });

export function identityRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { database, providers, loginFlow, loginHandlers, clock } = parts;

  loginHandlers.set('link-own', {
    async finish(login, request, reply) {
      const { target, ...who } = ownPurpose.parse(login.purpose);
      const { organizationSlug: organization, issuer, subject } = login;
      const proven = await accountIdOfIdentity(database.db, { organization, issuer, subject });
      if (proven !== who.accountId) {
        throw new SallyportError(
          'login_rejected',
          'You logged in with another account than the one that gets a further identity. Start again from the console.',
        );
      }
      const { accountId, sessionId } = who;
      return await loginFlow.begin(request, reply, {
        purpose: { kind: 'link', accountId, sessionId },
        demand: noDemand,
        provider: target,
        fresh: true,
      });
    },
  });

  loginHandlers.set('link', {
    // It only names an identity; the account's second factor was given a moment ago.
    withoutSecondFactor: true,
    async finish(login, _request, reply) {
      await link(parts, login);
      return reply.redirect(path, 303);
    },
  });

  app.get(
    path,
    { config: { auth: 'browser', purpose: 'page: the identities that one logs in with' } },
    async (request, reply) => {
      const person = browserOf(request);
      const identities = await identitiesOf(database.db, person.accountId);
      const known = (await providers.list()).filter(
        ({ organizationSlug }) => organizationSlug === person.organization,
      );
      const page = identitiesPage({
        person,
        isAdmin: person.role === 'admin',
        nowSeconds: Math.floor(clock().getTime() / 1000),
        identities: identities.map(({ issuer, subject, linkedAt }) => ({
          issuer,
          subject,
          provider: known.find((provider) => provider.issuer === issuer)?.name ?? null,
          linkedSeconds: Math.floor(linkedAt.getTime() / 1000),
        })),
        providers: known,
      });
      return sendPage(reply, page);
    },
  );

  app.post(
    `${path}/link`,
    { config: { auth: 'browser', purpose: 'leads to a new login, then to one at another provider' } },
    async (request, reply) => {
      const { provider: target } = readOwnForm(request, linkForm);
      const { accountId, sessionId, organization } = browserOf(request);
      const provider = await providers.get(target);
      if (provider.organizationSlug !== organization) {
        throw new SallyportError('not_found', 'There is no such identity provider here.');
      }
      const own = await providerOfSession(parts, sessionId);
      // Another identity brings its own second factor to this account, so whoever has one here shows it before.
      const mfa = await hasSecondFactor(database.db, accountId);
      return await loginFlow.begin(request, reply, {
        purpose: { kind: 'link-own', accountId, sessionId, target },
        demand: { ...noDemand, mfa },
        fresh: true,
        organization,
        ...(own === undefined ? {} : { provider: own }),
      });
    },
  );

  app.post(
    `${path}/unlink`,
    { config: { auth: 'browser', purpose: 'takes away one of several identities', stepUp: true } },
    async (request, reply) => {
      const { issuer, subject } = readOwnForm(request, unlinkForm);
      const { accountId, account: by } = browserOf(request);
      await inTransaction(database.db, (tx) =>
        unlinkOwnIdentity(tx, { accountId, issuer, subject, by }, clock()),
      );
      return reply.redirect(path, 303);
    },
  );
}

/** @throws session_ended if the console's session ended meanwhile; login_rejected, name_refused, name_taken */
async function link({ database, clock }: ConsoleParts, login: ProvenLogin): Promise<void> {
  const { accountId, sessionId } = otherPurpose.parse(login.purpose);
  const { issuer, subject } = login;
  const now = clock();
  await inTransaction(database.db, async (tx) => {
    const session = await lockLiveSession(tx, sessionId, 'share', now);
    if (session.accountId !== accountId) throw new TypeError('the session is of another account');
    const account = await tx
      .selectFrom('accounts')
      .innerJoin('organizations', 'organizations.id', 'accounts.organization_id')
      .select(['accounts.name', 'organizations.id', 'organizations.slug'])
      .where('accounts.id', '=', accountId)
      .executeTakeFirstOrThrow();
    if (account.slug !== login.organizationSlug) {
      throw new SallyportError('login_rejected', 'This identity provider serves another organization.');
    }
    await requireDomain(tx, canonicalAccountName(login.accountName), account.id);
    await linkIdentity(tx, { accountId, issuer, subject, by: account.name }, now);
  });
}

/** Whether the account has ever had one: a passkey, or one that a provider vouched for. */
async function hasSecondFactor(db: Database, accountId: string): Promise<boolean> {
  return (await passkeysOf(db, accountId)).length > 0 || (await isKnownAtProvider(db, accountId));
}

/** The provider that the session came from, if people may still log in there. */
async function providerOfSession(
  { database, providers }: ConsoleParts,
  sessionId: string,
): Promise<string | undefined> {
  const session = await database.db
    .selectFrom('login_sessions')
    .select('provider_slug')
    .where('id', '=', sessionId)
    .executeTakeFirst();
  const slug = session?.provider_slug;
  return (await providers.list()).find((provider) => provider.slug === slug)?.slug;
}
