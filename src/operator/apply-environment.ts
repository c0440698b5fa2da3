import type { Tx } from '../database/database.ts';
import { createEnvironment } from '../inventory/environment.ts';
import { inventoryChanged } from '../inventory/inventory-changed.ts';
import type { SetupDocument } from './setup-document.ts';

/** How old a second factor may be in production, unless the document says otherwise. */
const productionMaxAgeSeconds = 900;

type EnvironmentSetup = SetupDocument['projects'][number]['environments'][number];

/** @returns its id */
export async function applyEnvironment(
  tx: Tx,
  { organizationId, projectId }: { organizationId: string; projectId: string },
  project: string,
  environment: EnvironmentSetup,
): Promise<string> {
  const { slug, kind, mfa_required, people_only, access } = environment;
  const { mfa_max_age_seconds = mfa_required && kind === 'production' ? productionMaxAgeSeconds : null } =
    environment;
  const found = await tx
    .selectFrom('environments')
    .select(['id', 'kind', 'mfa_required', 'mfa_max_age_seconds', 'people_only', 'access_mode'])
    .where('project_id', '=', projectId)
    .where('slug', '=', slug)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!found) {
    return await createEnvironment(tx, {
      projectId,
      slug,
      kind,
      mfaRequired: mfa_required,
      mfaMaxAgeSeconds: mfa_max_age_seconds,
      peopleOnly: people_only,
      accessMode: access,
    });
  }
  const isSame =
    found.kind === kind &&
    found.mfa_required === mfa_required &&
    found.mfa_max_age_seconds === mfa_max_age_seconds &&
    found.people_only === people_only &&
    found.access_mode === access;
  if (isSame) return found.id;
  await tx
    .updateTable('environments')
    .set({ kind, mfa_required, mfa_max_age_seconds, people_only, access_mode: access })
    .where('id', '=', found.id)
    .execute();
  await inventoryChanged(tx, { organizationId, change: 'environment changed', name: `${project}-${slug}` });
  return found.id;
}
