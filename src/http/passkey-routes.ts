/** Passkeys: one's own, and for admins an account's whole lot. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { findAccount } from '../accounts/find-account.ts';
import type { PasskeyDocument, PasskeyList, PasskeysReset } from '../api/passkeys.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { type Passkey, passkeysOf, removePasskey, resetPasskeys } from '../login/passkey-store.ts';
import { countRecoveryCodes } from '../login/recovery-codes.ts';
import { accountNameOf } from './account-routes.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf, personOf } from './callers.ts';
import { membershipOf } from './membership.ts';
import { parseId, parseInput, parseNoBody } from './parse-input.ts';

const noQuery = z.strictObject({});

export function passkeyRoutes(
  app: FastifyInstance,
  { database, clock }: Pick<AppParts, 'database' | 'clock'>,
): void {
  app.get(
    '/v1/passkeys',
    { config: { auth: 'person', purpose: 'one’s own passkeys' } },
    async (request): Promise<PasskeyList> => {
      parseInput(noQuery, request.query, 'query');
      const { accountId } = personOf(request);
      return await inSnapshot(database.db, async (tx) => ({
        passkeys: (await passkeysOf(tx, accountId)).map(documentOf),
        recovery_codes_left: await countRecoveryCodes(tx, accountId),
      }));
    },
  );

  app.post(
    '/v1/passkeys/:id/remove',
    { config: { auth: 'person', stepUp: 'always', purpose: 'removes one of one’s own passkeys' } },
    async (request, reply) => {
      parseNoBody(request.body);
      const id = parseId((request.params as { id?: unknown }).id, 'passkey');
      const { accountId } = personOf(request);
      const now = clock();
      await inTransaction(database.db, async (tx) => {
        const { account: by } = await membershipOf(tx, accountId, now);
        await removePasskey(tx, { id, accountId, by }, now);
      });
      return reply.code(204).send();
    },
  );

  app.post(
    '/v1/accounts/:account/passkeys/reset',
    {
      config: {
        auth: 'admin',
        stepUp: true,
        purpose: 'removes all passkeys and recovery codes of an account, which enrols anew',
      },
    },
    async (request): Promise<PasskeysReset> => {
      parseNoBody(request.body);
      const { organizationId, account: by } = adminOf(request);
      const name = accountNameOf(request);
      return await inTransaction(database.db, async (tx) => {
        const { accountId } = await findAccount(tx, { organizationId, name });
        return { removed: await resetPasskeys(tx, { accountId, by }, clock()) };
      });
    },
  );
}

function documentOf({ id, name, model, backedUp, createdAt, lastUsedAt }: Passkey): PasskeyDocument {
  return {
    id,
    name,
    model,
    backed_up: backedUp,
    created_at: seconds(createdAt),
    last_used_at: lastUsedAt && seconds(lastUsedAt),
  };
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
