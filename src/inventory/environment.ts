import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { AccessMode, EnvironmentKind } from '../policy/facts.ts';
import { explained } from './broken-constraint.ts';
import { checkSlug } from './grammar.ts';
import { inventoryChanged } from './inventory-changed.ts';
import { refuseRetiredName } from './retired-names.ts';

export interface NewEnvironment {
  readonly projectId: string;
  readonly slug: string;
  readonly kind: EnvironmentKind;
  readonly mfaRequired?: boolean;
  /** Oldest login that still counts as MFA here; null: the organization's rule. */
  readonly mfaMaxAgeSeconds?: number | null;
  /** Whether API tokens and CI jobs are refused. */
  readonly peopleOnly?: boolean;
  readonly accessMode?: AccessMode;
}

/** @returns its id @throws name_refused, name_taken, not_found */
export async function createEnvironment(tx: Tx, environment: NewEnvironment): Promise<string> {
  const { projectId, slug, kind, mfaRequired = false, mfaMaxAgeSeconds = null } = environment;
  checkSlug('the name of an environment', slug);
  await refuseRetiredName(tx, { kind: 'environment', holderId: projectId, slug });
  const { id } = await explained(
    tx
      .insertInto('environments')
      .values({
        project_id: projectId,
        slug,
        kind,
        mfa_required: mfaRequired,
        mfa_max_age_seconds: mfaMaxAgeSeconds,
        people_only: environment.peopleOnly ?? false,
        access_mode: environment.accessMode ?? 'both',
      })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  const project = await tx
    .selectFrom('projects')
    .select(['organization_id', 'slug'])
    .where('id', '=', projectId)
    .executeTakeFirst();
  if (project === undefined) throw new SallyportError('not_found', 'There is no such project.');
  await inventoryChanged(tx, {
    organizationId: project.organization_id,
    change: 'environment created',
    name: `${project.slug}-${slug}`,
  });
  return id;
}
