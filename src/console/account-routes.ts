/** The accounts of the organization, for its admins. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { createMachineAccount } from '../accounts/create-machine-account.ts';
import { enableAccount } from '../accounts/enable-account.ts';
import { findAccount } from '../accounts/find-account.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { accountNameOf, disableAccountOf, endSessionsOf } from '../http/account-routes.ts';
import { type BrowserCaller, browserOf } from '../http/callers.ts';
import { sendPage } from '../http/security-headers.ts';
import { accountPage } from '../pages/account-page.ts';
import { accountsPage } from '../pages/accounts-page.ts';
import { listAccounts } from '../sessions/account-documents.ts';
import type { ConsoleParts } from './console-parts.ts';
import { readOwnForm, requireOwnForm } from './form.ts';

const path = '/console/accounts';
const machineForm = z.strictObject({ name: z.string().max(200), display_name: z.string().max(200) });

export function accountRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { database, clock } = parts;
  const documents = (organizationId: string) =>
    inSnapshot(database.db, (tx) => listAccounts(tx, organizationId, clock()));

  app.get(
    path,
    { config: { auth: 'browser', purpose: 'page: people and machines of the organization, for admins' } },
    async (request, reply) => {
      const person = adminOf(request);
      const accounts = await documents(person.organizationId);
      return sendPage(reply, accountsPage({ ...viewer(person, clock()), accounts }));
    },
  );

  app.post(
    path,
    { config: { auth: 'browser', stepUp: true, purpose: 'makes an account for machines' } },
    async (request, reply) => {
      const { name, display_name: displayName } = readOwnForm(request, machineForm);
      const person = adminOf(request);
      const { organizationId, account: by } = person;
      try {
        await inTransaction(database.db, (tx) =>
          createMachineAccount(tx, { organizationId, name, displayName, by }, clock()),
        );
      } catch (error) {
        if (!isSallyportError(error)) throw error;
        const accounts = await documents(organizationId);
        const form = { name, displayName, problem: error.message };
        return sendPage(
          reply.code(error.status),
          accountsPage({ ...viewer(person, clock()), accounts, form }),
        );
      }
      return reply.redirect(`${path}/${name}`, 303);
    },
  );

  app.get(
    `${path}/:account`,
    { config: { auth: 'browser', purpose: 'page: one account, for admins' } },
    async (request, reply) => {
      const person = adminOf(request);
      const name = accountNameOf(request);
      return sendPage(reply, await pageOf(person, name));
    },
  );

  app.post(
    `${path}/:account/end-sessions`,
    { config: { auth: 'browser', purpose: 'ends every session of an account' } },
    async (request, reply) => {
      requireOwnForm(request);
      const { organizationId, account: by } = adminOf(request);
      const name = accountNameOf(request);
      await endSessionsOf(parts, { organizationId, name, by });
      return reply.redirect(`${path}/${name}`, 303);
    },
  );

  app.post(
    `${path}/:account/disable`,
    {
      config: {
        auth: 'browser',
        stepUp: true,
        purpose: 'ends everything of an account, and its right to log in',
      },
    },
    async (request, reply) => {
      requireOwnForm(request);
      const person = adminOf(request);
      const { organizationId, account: by } = person;
      const name = accountNameOf(request);
      try {
        await disableAccountOf(parts, { organizationId, name, by });
      } catch (error) {
        if (!isSallyportError(error) || error.code !== 'forbidden') throw error;
        return sendPage(reply.code(error.status), await pageOf(person, name, error.message));
      }
      return reply.redirect(`${path}/${name}`, 303);
    },
  );

  app.post(
    `${path}/:account/enable`,
    { config: { auth: 'browser', stepUp: true, purpose: 'lets an account log in again' } },
    async (request, reply) => {
      requireOwnForm(request);
      const { organizationId, account: by } = adminOf(request);
      const name = accountNameOf(request);
      await inTransaction(database.db, async (tx) => {
        const { accountId } = await findAccount(tx, { organizationId, name });
        await enableAccount(tx, { accountId, by }, clock());
      });
      return reply.redirect(`${path}/${name}`, 303);
    },
  );

  async function pageOf(person: BrowserCaller, name: string, problem?: string): Promise<string> {
    const account = (await documents(person.organizationId)).find((found) => found.name === name);
    if (account === undefined) throw new SallyportError('not_found', 'There is no account of this name.');
    const { nowSeconds } = viewer(person, clock());
    return accountPage({ person, account, nowSeconds, ...(problem === undefined ? {} : { problem }) });
  }
}

/** @throws forbidden */
function adminOf(request: FastifyRequest): BrowserCaller {
  const person = browserOf(request);
  if (person.role === 'admin') return person;
  throw new SallyportError('forbidden', `Only admins of ${person.organization} see its accounts.`);
}

function viewer(person: BrowserCaller, now: Date) {
  return { person, organization: person.organization, nowSeconds: Math.floor(now.getTime() / 1000) };
}
