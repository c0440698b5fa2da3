/** Which identities an account has: an admin sees them, adds one of a person who can't prove both, and takes one away. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { findAccount } from '../accounts/find-account.ts';
import { identitiesOf, linkIdentity } from '../accounts/link-identity.ts';
import { type IdentityList, identityLink, identityUnlink } from '../api/identity-providers.ts';
import type { Database } from '../database/database.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { unlinkAndEndSessions } from '../login/unlink-identity.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf } from './callers.ts';
import { parseInput } from './parse-input.ts';

const noQuery = z.strictObject({});

export function identityRoutes(
  app: FastifyInstance,
  { database, providers, clock }: Pick<AppParts, 'database' | 'providers' | 'clock'>,
): void {
  app.get(
    '/v1/accounts/:account/identities',
    { config: { auth: 'admin', purpose: 'identities of an account' } },
    async (request) => {
      parseInput(noQuery, request.query, 'query');
      return await inSnapshot(database.db, async (tx) => identityListOf(tx, await accountOf(tx, request)));
    },
  );

  app.post(
    '/v1/accounts/:account/identities/link',
    { config: { auth: 'admin', stepUp: true, purpose: 'gives an account a further identity' } },
    async (request) => {
      const { provider: slug, subject } = parseInput(identityLink, request.body, 'body');
      const { organization, account: by } = adminOf(request);
      const provider = await providers.get(slug);
      if (provider.organizationSlug !== organization) {
        throw new SallyportError('not_found', 'There is no such identity provider here.');
      }
      const { issuer } = provider;
      return await inTransaction(database.db, async (tx) => {
        const accountId = await accountOf(tx, request);
        await linkIdentity(tx, { accountId, issuer, subject, by }, clock());
        return await identityListOf(tx, accountId);
      });
    },
  );

  app.post(
    '/v1/accounts/:account/identities/unlink',
    {
      config: {
        auth: 'admin',
        stepUp: true,
        purpose: 'takes an identity from an account, and ends its sessions',
      },
    },
    async (request) => {
      const { issuer, subject } = parseInput(identityUnlink, request.body, 'body');
      const { account: by } = adminOf(request);
      return await inTransaction(database.db, async (tx) => {
        const accountId = await accountOf(tx, request);
        await unlinkAndEndSessions(tx, { accountId, issuer, subject, by }, clock());
        return await identityListOf(tx, accountId);
      });
    },
  );
}

async function identityListOf(db: Database, accountId: string): Promise<IdentityList> {
  const identities = await identitiesOf(db, accountId);
  return {
    identities: identities.map(({ issuer, subject, linkedAt }) => ({
      issuer,
      subject,
      linked_at: Math.floor(linkedAt.getTime() / 1000),
    })),
  };
}

/** @throws not_found for accounts of others too */
async function accountOf(db: Database, request: FastifyRequest): Promise<string> {
  const { account } = request.params as { account: string };
  const { organizationId } = adminOf(request);
  return (await findAccount(db, { organizationId, name: account })).accountId;
}
