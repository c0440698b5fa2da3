/** Registered keys: one's own, and for admins those of anybody in the organization. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  type SshKeyDocument,
  type SshKeyList,
  type SshKeyRemoval,
  sshKeyRequest,
  sshKeysOf,
} from '../api/ssh-keys.ts';
import {
  type KeyScope,
  listRegisteredKeys,
  type RegisteredKey,
} from '../credentials/registered-key-store.ts';
import { type RemovedKeys, removeRegisteredKeys } from '../credentials/remove-registered-keys.ts';
import type { Tx } from '../database/database.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { publicKeyLine } from '../ssh/public-key.ts';
import type { AppParts } from './app-parts.ts';
import { personOf } from './callers.ts';
import { membershipOf } from './membership.ts';
import { parseId, parseInput, parseNoBody } from './parse-input.ts';

export function sshKeyRoutes(
  app: FastifyInstance,
  { database, authority, clock }: Pick<AppParts, 'database' | 'authority' | 'clock'>,
): void {
  async function callerOf(tx: Tx, request: FastifyRequest) {
    const { accountId, roleLimit } = personOf(request);
    return { accountId, ...(await membershipOf(tx, accountId, clock(), roleLimit)) };
  }

  app.get(
    '/v1/ssh-keys',
    { config: { auth: 'person', purpose: 'one’s own registered keys; for admins also somebody else’s' } },
    async (request): Promise<SshKeyList> => {
      const { account } = parseInput(sshKeysOf, request.query, 'query');
      const keys = await inSnapshot(database.db, async (tx) =>
        listRegisteredKeys(tx, await keysOf(tx, await callerOf(tx, request), account), clock()),
      );
      return { ssh_keys: keys.map(documentOf) };
    },
  );

  app.post(
    '/v1/ssh-keys',
    {
      config: {
        auth: 'person',
        stepUp: true,
        purpose: 'registers a key to log in with instead of certificates',
      },
    },
    async (request, reply) => {
      const { sessionId, accountId } = personOf(request);
      const asked = parseInput(sshKeyRequest, request.body, 'body');
      const id = await authority.registerKey({ sessionId, request: asked, clientAddress: request.ip });
      const keys = await listRegisteredKeys(database.db, { accountId }, clock());
      const made = keys.find((key) => key.id === id);
      if (made === undefined) throw new SallyportError('not_found', 'The key was removed meanwhile.');
      return reply.code(201).send(documentOf(made));
    },
  );

  app.post(
    '/v1/ssh-keys/:id/remove',
    { config: { auth: 'person', purpose: 'ends a registered key with its connections' } },
    async (request): Promise<SshKeyRemoval> => {
      parseNoBody(request.body);
      const which = parseId((request.params as { id?: unknown }).id, 'registered key');
      return await inTransaction(database.db, async (tx) => {
        const { account: by, role, organizationId, accountId } = await callerOf(tx, request);
        const within = role === 'admin' ? { organizationId } : { accountId };
        return removalOf(await removeRegisteredKeys(tx, { within, by, which }, clock()));
      });
    },
  );

  app.post(
    '/v1/ssh-keys/remove-all',
    { config: { auth: 'person', purpose: 'ends every registered key of an account' } },
    async (request): Promise<SshKeyRemoval> => {
      const { account } = parseInput(sshKeysOf, request.body ?? {}, 'body');
      return await inTransaction(database.db, async (tx) => {
        const caller = await callerOf(tx, request);
        const within = await keysOf(tx, caller, account);
        return removalOf(await removeRegisteredKeys(tx, { within, by: caller.account }, clock()));
      });
    },
  );
}

/** @throws forbidden, not_found */
async function keysOf(
  tx: Tx,
  caller: Awaited<ReturnType<typeof membershipOf>> & { readonly accountId: string },
  account: string | undefined,
): Promise<KeyScope> {
  if (account === undefined || account === caller.account) return { accountId: caller.accountId };
  if (caller.role !== 'admin') {
    throw new SallyportError('forbidden', 'Only admins see and remove the registered keys of others.');
  }
  const row = await tx
    .selectFrom('accounts')
    .select('id')
    .where('name', '=', account)
    .where('organization_id', '=', caller.organizationId)
    .executeTakeFirst();
  if (row !== undefined) return { accountId: row.id };
  throw new SallyportError('not_found', `There is no account ${account} in your organization.`);
}

function documentOf(key: RegisteredKey): SshKeyDocument {
  const line = publicKeyLine({ blob: key.publicKey });
  return {
    id: key.id,
    account: key.account,
    name: key.name,
    type: line.split(' ')[0] ?? '',
    fingerprint: key.fingerprint,
    public_key: line,
    created_at: seconds(key.createdAt),
    expires_at: seconds(key.expiresAt),
    last_used_at: key.lastUsedAt && seconds(key.lastUsedAt),
    session_id: key.sessionId,
  };
}

function removalOf({ removed, version }: RemovedKeys): SshKeyRemoval {
  return { removed, version: version === null ? null : `${version}` };
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
