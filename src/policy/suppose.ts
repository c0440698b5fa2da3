/** What would be so if something else were so, pure: the facts of an explanation with some of them replaced. */
import type { ExplainedFacts } from './decide-explained.ts';
import type { AccessRuleFacts, AssuranceFacts, Role, SessionFacts } from './facts.ts';
import { highestRole } from './roles.ts';

export interface Supposition {
  /** A second factor so long ago, or none at all. */
  readonly mfaAgeSeconds?: number | 'none' | undefined;
  readonly role?: Role | undefined;
  readonly atSeconds?: number | undefined;
  /** An API token instead of a login. */
  readonly asToken?: boolean | undefined;
}

/** Whether anything is supposed of the login itself. */
export function supposesLogin({ mfaAgeSeconds, asToken = false }: Supposition): boolean {
  return mfaAgeSeconds !== undefined || asToken;
}

/**
 * @param seesAll an admin, who may suppose a role where the account has none. For everybody else a role that one does not
 * have is no way to see what one may not see.
 */
export function suppose(
  facts: ExplainedFacts,
  supposition: Supposition,
  { seesAll }: { readonly seesAll: boolean },
): ExplainedFacts {
  const nowSeconds = supposition.atSeconds ?? facts.nowSeconds;
  const { role } = supposition;
  return {
    ...facts,
    nowSeconds,
    session: supposedSession({ ...facts, nowSeconds }, supposition),
    rules: role === undefined ? facts.rules : supposedRules({ ...facts, nowSeconds }, role, seesAll),
  };
}

function supposedSession(
  { session, organization, nowSeconds }: ExplainedFacts,
  { mfaAgeSeconds, asToken = false }: Supposition,
): SessionFacts {
  const mode = asToken ? 'token' : session.mode;
  if (mfaAgeSeconds === undefined) return { ...session, mode };
  const none: Partial<AssuranceFacts> = { mfa: false, mfaBy: null, mfaMethods: [], mfaTimeSeconds: null };
  const given: Partial<AssuranceFacts> = {
    mfa: true,
    // One that the organization takes, whatever that is.
    mfaBy: organization.mfaSources[0] ?? null,
    mfaMethods: organization.mfaMethods ?? ['mfa'],
    mfaTimeSeconds: mfaAgeSeconds === 'none' ? null : nowSeconds - mfaAgeSeconds,
  };
  return {
    ...session,
    mode,
    assurance: { ...session.assurance, ...(mfaAgeSeconds === 'none' ? none : given) },
  };
}

function supposedRules(
  { account, rules, target, app, nowSeconds }: ExplainedFacts,
  role: Role,
  seesAll: boolean,
): readonly AccessRuleFacts[] {
  const scope = target ?? app;
  if (scope === undefined) return rules;
  if (!seesAll && highestRole(rules, account, scope, nowSeconds) === null) return rules;
  return [
    {
      subject: { account: account.name },
      role,
      organization: account.organization,
      project: null,
      environment: null,
      expiresAtSeconds: null,
    },
  ];
}

/** In words, for whoever reads the answer: a sentence part each. */
export function supposedInWords({ mfaAgeSeconds, role, atSeconds, asToken }: Supposition): string[] {
  return [
    asToken ? 'as an API token' : undefined,
    mfaAgeSeconds === 'none' ? 'without a second factor' : undefined,
    typeof mfaAgeSeconds === 'number' ? `with a second factor of ${mfaAgeSeconds} seconds ago` : undefined,
    role === undefined ? undefined : `with the role ${role} and no other`,
    atSeconds === undefined ? undefined : `at ${new Date(atSeconds * 1000).toISOString()}`,
  ].filter((words) => words !== undefined);
}
