/** What a broken constraint of the inventory's tables means to the person who broke it. */
import { violatedConstraint } from '../database/violated-constraint.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

const table: Record<string, readonly [ErrorCode, string]> = {
  organizations_slug_key: ['name_taken', 'There is an organization of that name already. Choose another.'],
  organization_domains_pkey: ['name_taken', 'The domain belongs to an organization already.'],
  organization_domains_domain_check: [
    'name_refused',
    'A domain must be a lower-case host name such as example.com.',
  ],
  organizations_mfa_max_age_check: ['request_malformed', 'The MFA age must be at least one second.'],
  environments_mfa_max_age_check: ['request_malformed', 'The MFA age must be at least one second.'],
  projects_slug_key: ['name_taken', 'The organization has a project of that name already. Choose another.'],
  environments_slug_key: [
    'name_taken',
    'The project has an environment of that name already. Choose another.',
  ],
  apps_slug_key: ['name_taken', 'The environment has an app of that name already. Choose another.'],
  services_slug_key: ['name_taken', 'The environment has a service of that name already. Choose another.'],
  services_environment_fkey: ['not_found', 'There is no such environment.'],
  companions_host_fingerprint_index: [
    'name_taken',
    'The host key of that fingerprint is registered for another machine of the organization.',
  ],
  companions_name_key: ['name_taken', 'There is a gateway or host of that name already. Choose another.'],
  projects_organization_fkey: ['not_found', 'There is no such organization.'],
  environments_project_fkey: ['not_found', 'There is no such project.'],
  apps_environment_fkey: ['not_found', 'There is no such environment.'],
  companions_organization_fkey: ['not_found', 'There is no such organization.'],
  access_rules_organization_fkey: ['not_found', 'There is no such organization.'],
  enrolment_tokens_companion_fkey: ['not_found', 'There is no such gateway or host.'],
};

/** What else would be without its place. */
const holders: Record<string, string> = {
  environments_project_fkey: 'The project still has environments.',
  apps_environment_fkey: 'The environment still has apps.',
  services_environment_fkey: 'The environment still has services.',
  instances_app_fkey: 'The app still has instances.',
};

/** Runs a removal; what it would leave behind becomes an error for the person. The transaction is over then. */
export async function explainedRemoval<T>(removal: Promise<T>): Promise<T> {
  try {
    return await removal;
  } catch (error) {
    const held = holders[violatedConstraint(error) ?? ''];
    if (held === undefined) throw error;
    throw new SallyportError('still_used', `${held} Remove them first.`, { cause: error });
  }
}

/** Runs a write; a constraint that it breaks becomes an error for the person. The transaction is over then. */
export async function explained<T>(write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    const [code, message] = table[violatedConstraint(error) ?? ''] ?? [];
    if (code === undefined || message === undefined) throw error;
    throw new SallyportError(code, message, { cause: error });
  }
}
