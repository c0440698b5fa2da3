/** The accounts of the organization, for its admins. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { createMachineAccount } from '../accounts/create-machine-account.ts';
import { enableAccount } from '../accounts/enable-account.ts';
import { findAccount } from '../accounts/find-account.ts';
import { type AccountDocument, newAccount } from '../api/accounts.ts';
import type { SessionsEnded } from '../api/sessions.ts';
import type { Tx } from '../database/database.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { requireOtherAdmin } from '../inventory/remaining-admins.ts';
import { listAccounts } from '../sessions/account-documents.ts';
import { endSessionsOfAccount } from '../sessions/end-sessions.ts';
import { isAccountName } from '../ssh/names.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf } from './callers.ts';
import { disableWithEverything } from './disable-account.ts';
import { parseInput, parseNoBody } from './parse-input.ts';
import { revokeSessions } from './revoke-session.ts';

const noQuery = z.strictObject({});

export function accountRoutes(
  app: FastifyInstance,
  parts: Pick<AppParts, 'database' | 'feed' | 'clock'>,
): void {
  const { database, clock } = parts;

  app.get(
    '/v1/accounts',
    { config: { auth: 'admin', purpose: 'people and machines of the organization' } },
    async (request): Promise<{ accounts: AccountDocument[] }> => {
      parseInput(noQuery, request.query, 'query');
      const { organizationId } = adminOf(request);
      return { accounts: await inSnapshot(database.db, (tx) => listAccounts(tx, organizationId, clock())) };
    },
  );

  app.post(
    '/v1/accounts',
    { config: { auth: 'admin', stepUp: true, purpose: 'makes an account for machines' } },
    async (request, reply): Promise<AccountDocument> => {
      const { name, display_name: displayName } = parseInput(newAccount, request.body, 'body');
      const { organizationId, account: by } = adminOf(request);
      const created = await inTransaction(database.db, async (tx) => {
        await createMachineAccount(tx, { organizationId, name, displayName, by }, clock());
        return await documentOf(tx, organizationId, name, clock());
      });
      reply.code(201);
      return created;
    },
  );

  app.post(
    '/v1/accounts/:account/disable',
    {
      config: {
        auth: 'admin',
        stepUp: true,
        purpose: 'ends everything of an account, and its right to log in',
      },
    },
    async (request): Promise<SessionsEnded> => {
      parseNoBody(request.body);
      const { organizationId, account: by } = adminOf(request);
      return await disableAccountOf(parts, { organizationId, name: accountNameOf(request), by });
    },
  );

  app.post(
    '/v1/accounts/:account/enable',
    { config: { auth: 'admin', stepUp: true, purpose: 'lets an account log in again' } },
    async (request): Promise<AccountDocument> => {
      parseNoBody(request.body);
      const { organizationId, account: by } = adminOf(request);
      const name = accountNameOf(request);
      return await inTransaction(database.db, async (tx) => {
        const { accountId } = await findAccount(tx, { organizationId, name });
        await enableAccount(tx, { accountId, by }, clock());
        return await documentOf(tx, organizationId, name, clock());
      });
    },
  );

  app.post(
    '/v1/accounts/:account/sessions/revoke',
    { config: { auth: 'admin', purpose: 'ends every session of an account' } },
    async (request): Promise<SessionsEnded> => {
      parseNoBody(request.body);
      const { organizationId, account: by } = adminOf(request);
      const name = accountNameOf(request);
      return await endSessionsOf(parts, { organizationId, name, by });
    },
  );
}

type Accounts = Pick<AppParts, 'database' | 'feed' | 'clock'>;

export interface AccountAct {
  readonly organizationId: string;
  readonly name: string;
  /** The account name of who does it. */
  readonly by: string;
}

/** @throws not_found; forbidden if it is the organization's last admin */
export async function disableAccountOf(
  parts: Accounts,
  { organizationId, name, by }: AccountAct,
): Promise<SessionsEnded> {
  return await revokeSessions(parts, organizationId, async (tx, now) => {
    const { accountId } = await findAccount(tx, { organizationId, name });
    await requireOtherAdmin(tx, { organizationId, account: name });
    return await disableWithEverything(tx, { accountId, by }, now);
  });
}

/** @throws not_found */
export async function endSessionsOf(
  parts: Accounts,
  { organizationId, name, by }: AccountAct,
): Promise<SessionsEnded> {
  return await revokeSessions(parts, organizationId, async (tx, now) => {
    const { accountId } = await findAccount(tx, { organizationId, name });
    return await endSessionsOfAccount(tx, { accountId, by, reason: 'revoked' }, now);
  });
}

/** @throws not_found */
export function accountNameOf(request: FastifyRequest): string {
  const { account } = request.params as { account?: unknown };
  if (typeof account === 'string' && isAccountName(account)) return account;
  throw new SallyportError('not_found', 'There is no account of this name.');
}

async function documentOf(tx: Tx, organizationId: string, name: string, now: Date): Promise<AccountDocument> {
  const found = (await listAccounts(tx, organizationId, now)).find((account) => account.name === name);
  if (found === undefined) throw new SallyportError('not_found', 'There is no account of this name.');
  return found;
}
