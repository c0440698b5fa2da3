/** One's own second factors: passkeys and recovery codes. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { findAccount } from '../accounts/find-account.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { accountNameOf } from '../http/account-routes.ts';
import { browserOf } from '../http/callers.ts';
import { parseId } from '../http/parse-input.ts';
import { sendPage } from '../http/security-headers.ts';
import { loginPolicyOf } from '../login/login-policy.ts';
import { managingPasskeys } from '../login/login-purpose.ts';
import { passkeysOf, removePasskey, resetPasskeys } from '../login/passkey-store.ts';
import { countRecoveryCodes, replaceRecoveryCodes } from '../login/recovery-codes.ts';
import { recoveryCodesPage } from '../pages/passkey-page.ts';
import { removePasskeyPage, securityPage } from '../pages/security-page.ts';
import type { ConsoleParts } from './console-parts.ts';
import { requireOwnForm } from './form.ts';
import { logInAgain } from './log-in-again.ts';

const securityPath = '/console/security';

export function securityRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { database, loginHandlers, sealer, clock } = parts;
  loginHandlers.set(managingPasskeys, {
    finish: async (_login, _request, reply) => reply.redirect(securityPath, 303),
  });

  app.get(
    securityPath,
    { config: { auth: 'browser', purpose: 'page: one’s own passkeys and recovery codes' } },
    async (request, reply) => {
      const person = browserOf(request);
      const { accountId, organization } = person;
      const view = await inSnapshot(database.db, async (tx) => {
        const { policy, passkeyModels } = await loginPolicyOf(tx, organization);
        const passkeys = await passkeysOf(tx, accountId);
        return {
          mayEnrol: policy.mfaSources.includes('passkey'),
          codesLeft: await countRecoveryCodes(tx, accountId),
          passkeys: passkeys.map(({ id, name, backedUp, model, createdAt, lastUsedAt }) => ({
            id,
            name,
            backedUp,
            counts: passkeyModels === null || passkeyModels.includes(model),
            createdSeconds: seconds(createdAt),
            lastUsedSeconds: lastUsedAt && seconds(lastUsedAt),
          })),
        };
      });
      const nowSeconds = seconds(clock());
      return sendPage(
        reply,
        securityPage({ person, isAdmin: person.role === 'admin', organization, nowSeconds, ...view }),
      );
    },
  );

  app.get(
    `${securityPath}/passkeys/add`,
    { config: { auth: 'browser', purpose: 'leads to a new login, after which a passkey is added' } },
    async (request, reply) => {
      const { accountId } = browserOf(request);
      const purpose = { kind: managingPasskeys, accountId };
      return await logInAgain(parts, request, reply, { purpose, demand: nothing });
    },
  );

  app.get(
    `${securityPath}/passkeys/:id/remove`,
    { config: { auth: 'browser', stepUp: 'always', purpose: 'page: asks before a passkey is removed' } },
    async (request, reply) => {
      const person = browserOf(request);
      const id = idOf(request);
      const passkeys = await passkeysOf(database.db, person.accountId);
      const passkey = passkeys.find((one) => one.id === id);
      if (passkey === undefined) throw new SallyportError('not_found', 'There is no such passkey.');
      const isAdmin = person.role === 'admin';
      const isLast = passkeys.length === 1;
      return sendPage(reply, removePasskeyPage({ person, isAdmin, passkey, isLast }));
    },
  );

  app.post(
    `${securityPath}/passkeys/:id/remove`,
    { config: { auth: 'browser', stepUp: 'always', purpose: 'removes one of one’s own passkeys' } },
    async (request, reply) => {
      requireOwnForm(request);
      const { accountId, account: by } = browserOf(request);
      const id = idOf(request);
      await inTransaction(database.db, (tx) => removePasskey(tx, { id, accountId, by }, clock()));
      return reply.redirect(securityPath, 303);
    },
  );

  app.post(
    `${securityPath}/recovery-codes`,
    { config: { auth: 'browser', stepUp: 'always', purpose: 'makes new recovery codes and shows them' } },
    async (request, reply) => {
      requireOwnForm(request);
      const { accountId, organizationId } = browserOf(request);
      const codes = await inTransaction(database.db, (tx) =>
        replaceRecoveryCodes(tx, sealer, { accountId, organizationId }, clock()),
      );
      return sendPage(reply, recoveryCodesPage({ codes, next: securityPath }));
    },
  );

  app.post(
    '/console/accounts/:account/reset-passkeys',
    {
      config: {
        auth: 'browser',
        stepUp: true,
        purpose: 'removes all passkeys and recovery codes of an account; for admins',
      },
    },
    async (request, reply) => {
      requireOwnForm(request);
      const { organizationId, organization, role, account: by } = browserOf(request);
      if (role !== 'admin') {
        throw new SallyportError('forbidden', `Only admins of ${organization} reset passkeys of others.`);
      }
      const name = accountNameOf(request);
      await inTransaction(database.db, async (tx) => {
        const { accountId } = await findAccount(tx, { organizationId, name });
        await resetPasskeys(tx, { accountId, by }, clock());
      });
      return reply.redirect(`/console/accounts/${name}`, 303);
    },
  );
}

const nothing = { mfa: false, maxAgeSeconds: null, methods: null } as const;

function idOf(request: FastifyRequest): string {
  return parseId((request.params as { id?: unknown }).id, 'passkey');
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
