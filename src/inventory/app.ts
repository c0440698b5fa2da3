import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Role } from '../policy/facts.ts';
import { explained } from './broken-constraint.ts';
import { checkSlug } from './grammar.ts';
import { inventoryChanged } from './inventory-changed.ts';
import { refuseRetiredName } from './retired-names.ts';

export interface NewApp {
  readonly environmentId: string;
  readonly slug: string;
  /** The role that SSH to it asks for. */
  readonly sshRole?: Role;
}

/** @returns its id @throws name_refused, name_taken, not_found */
export async function createApp(tx: Tx, { environmentId, slug, sshRole }: NewApp): Promise<string> {
  checkSlug('the name of an app', slug);
  await refuseRetiredName(tx, { kind: 'app', holderId: environmentId, slug });
  const { id } = await explained(
    tx
      .insertInto('apps')
      .values({ environment_id: environmentId, slug, ssh_role: sshRole ?? 'contributor' })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  const above = await appPath(tx, id);
  await inventoryChanged(tx, {
    organizationId: above.organizationId,
    change: 'app created',
    name: above.name,
  });
  return id;
}

/** An app's organization, and its target name without an instance: `<project>-<environment>--<app>`. @throws not_found */
export async function appPath(tx: Tx, appId: string): Promise<{ organizationId: string; name: string }> {
  const row = await tx
    .selectFrom('apps')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .select(['projects.organization_id', 'projects.slug as project', 'environments.slug as environment'])
    .select('apps.slug as app')
    .where('apps.id', '=', appId)
    .executeTakeFirst();
  if (row === undefined) throw new SallyportError('not_found', 'There is no such app.');
  return { organizationId: row.organization_id, name: `${row.project}-${row.environment}--${row.app}` };
}
