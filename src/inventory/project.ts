import type { Tx } from '../database/database.ts';
import { explained } from './broken-constraint.ts';
import { checkSlug } from './grammar.ts';
import { inventoryChanged } from './inventory-changed.ts';
import { refuseRetiredName } from './retired-names.ts';

/** @returns its id @throws name_refused, name_taken, not_found */
export async function createProject(
  tx: Tx,
  { organizationId, slug }: { organizationId: string; slug: string },
): Promise<string> {
  checkSlug('the name of a project', slug);
  await refuseRetiredName(tx, { kind: 'project', holderId: organizationId, slug });
  const { id } = await explained(
    tx
      .insertInto('projects')
      .values({ organization_id: organizationId, slug })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  await inventoryChanged(tx, { organizationId, change: 'project created', name: slug });
  return id;
}
