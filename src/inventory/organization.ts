import type { Tx } from '../database/database.ts';
import { explained } from './broken-constraint.ts';
import { checkSlug } from './grammar.ts';
import { inventoryChanged } from './inventory-changed.ts';

export interface NewOrganization {
  readonly slug: string;
  readonly name: string;
  /** Domains of its account names; no other organization may have them. */
  readonly domains: readonly string[];
  /** Oldest login that still counts as MFA; null: as old as the session. */
  readonly mfaMaxAgeSeconds?: number | null;
}

/** @returns its id @throws name_refused, name_taken */
export async function createOrganization(tx: Tx, organization: NewOrganization): Promise<string> {
  const { slug, name, domains, mfaMaxAgeSeconds = null } = organization;
  checkSlug('the name of an organization', slug);
  const { id } = await explained(
    tx
      .insertInto('organizations')
      .values({ slug, name, mfa_max_age_seconds: mfaMaxAgeSeconds })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  for (const domain of domains) {
    await explained(tx.insertInto('organization_domains').values({ domain, organization_id: id }).execute());
  }
  await inventoryChanged(tx, { organizationId: id, change: 'organization created', name: slug });
  return id;
}
