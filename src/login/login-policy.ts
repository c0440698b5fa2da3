/** What an organization asks of logins, read at the moment of the login. */
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { LoginPolicy } from './decide-second-factor.ts';

export interface OrganizationLogins {
  readonly organizationId: string;
  readonly policy: LoginPolicy;
  /** AAGUIDs of the authenticators that may be enrolled and used; null: any. */
  readonly passkeyModels: readonly string[] | null;
}

/** @throws login_rejected if there is no such organization */
export async function loginPolicyOf(db: Database, slug: string): Promise<OrganizationLogins> {
  const row = await db
    .selectFrom('organizations')
    .select(['id', 'mfa_required', 'mfa_max_age_seconds', 'mfa_sources', 'mfa_methods', 'passkey_models'])
    .where('slug', '=', slug)
    .executeTakeFirst();
  if (row === undefined) {
    throw new SallyportError(
      'login_rejected',
      `The organization ${slug} of this identity provider does not exist here. Tell the operator of this server.`,
    );
  }
  return {
    organizationId: row.id,
    policy: {
      mfaRequired: row.mfa_required,
      mfaMaxAgeSeconds: row.mfa_max_age_seconds,
      mfaSources: row.mfa_sources,
      mfaMethods: row.mfa_methods,
    },
    passkeyModels: row.passkey_models,
  };
}
