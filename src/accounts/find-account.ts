import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface FoundAccount {
  readonly accountId: string;
  readonly name: string;
  readonly kind: 'person' | 'machine';
  readonly disabled: boolean;
}

/** By its name. One of another organization is as unknown as one that never was. @throws not_found */
export async function findAccount(
  db: Database,
  { organizationId, name }: { readonly organizationId: string; readonly name: string },
): Promise<FoundAccount> {
  const row = await db
    .selectFrom('accounts')
    .select(['id', 'name', 'kind', 'disabled_at'])
    .where('organization_id', '=', organizationId)
    .where('name', '=', name)
    .executeTakeFirst();
  if (row === undefined) throw new SallyportError('not_found', 'There is no account of this name.');
  return { accountId: row.id, name: row.name, kind: row.kind, disabled: row.disabled_at !== null };
}
