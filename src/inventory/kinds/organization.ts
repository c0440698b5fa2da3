import type { Database } from '../../database/database.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { changeLoginPolicy, readLoginPolicy } from '../login-policy.ts';
import type { Item, KindStore } from './kind-store.ts';

export const organizations: KindStore<'organization'> = {
  async list(db, organizationId): Promise<Item<'organization'>[]> {
    const { slug, ...members } = await rowOf(db, organizationId);
    return [{ kind: 'organization', name: slug, path: [], members }];
  },
  async change({ tx, organizationId }, { members }) {
    await tx.updateTable('organizations').set(members).where('id', '=', organizationId).execute();
  },
};

/** Records its own event, with the old and the new values. */
export const loginPolicies: KindStore<'login_policy'> = {
  async list(db, organizationId): Promise<Item<'login_policy'>[]> {
    const { slug } = await rowOf(db, organizationId);
    const policy = await readLoginPolicy(db, organizationId);
    const members = structuredClone(policy) as Item<'login_policy'>['members'];
    return [{ kind: 'login_policy', name: slug, path: [], members }];
  },
  async change({ tx, organizationId, by, now }, { members }) {
    await changeLoginPolicy(tx, { organizationId, change: members, by }, now);
  },
};

async function rowOf(db: Database, organizationId: string) {
  const row = await db
    .selectFrom('organizations')
    .select(['slug', 'name', 'ssh_enabled'])
    .where('id', '=', organizationId)
    .executeTakeFirst();
  if (row === undefined) throw new SallyportError('not_found', 'There is no such organization.');
  return row;
}
