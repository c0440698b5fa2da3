/**
 * What goes into a certificate that is narrowed to one environment: beside the account the roles that it has there, for
 * hosts without a companion, which know nobody's roles. Nothing can be asked when such a certificate is used, so
 * everything in it must be true to its last second: where a role or the second factor ends sooner, it ends with them.
 */
import { mfaPrefix, rolePrincipal } from '../ssh/names.ts';
import { freshUntil, hasMfa, isFreshAt, underPolicy } from './assurance.ts';
import {
  type CertificateDecision,
  type CertificateFacts,
  decideCertificate,
  shortestLifeSeconds,
} from './decide-certificate.ts';
import type { AccessRuleFacts, EnvironmentFacts, Role, SessionFacts } from './facts.ts';
import { type Reason, reason } from './reasons.ts';
import { highestRole, limitedRole, rolesUpTo } from './roles.ts';

export interface NarrowedFacts extends CertificateFacts {
  /** Undefined: the account's organization has none of this name. */
  readonly environment: EnvironmentFacts | undefined;
  /** Every rule that names the account or one of its groups. */
  readonly rules: readonly AccessRuleFacts[];
}

export function decideNarrowedCertificate(facts: NarrowedFacts, nowSeconds: number): CertificateDecision {
  const general = decideCertificate(facts, nowSeconds);
  const obstacles = general.allowed ? [] : general.reasons;
  const { account, organization, environment } = facts;
  const held = environment && roleThere(facts, environment, nowSeconds);
  // Whoever has no role there must not learn whether there is such an environment.
  if (environment === undefined || held === undefined) {
    return refusedFor([...obstacles, reason('environment_unknown')]);
  }

  const session = underPolicy(facts.session, organization);
  const [first, ...more] = [...obstacles, ...environmentObstacles(session, environment, nowSeconds)];
  if (first) return refusedFor([first, ...more]);

  const { mfaRequired, mfaMaxAgeSeconds } = environment;
  const mfaEnds = mfaRequired ? freshUntil(session, mfaMaxAgeSeconds) : Number.POSITIVE_INFINITY;
  const decision = decideCertificate(facts, nowSeconds, Math.min(held.endsAtSeconds, mfaEnds));
  if (!decision.allowed) return decision;
  const hasMfaToTheEnd =
    hasMfa(session, nowSeconds) && isFreshAt(session, mfaMaxAgeSeconds, decision.validBeforeSeconds);
  const roles = rolesUpTo(held.role).map((role) =>
    rolePrincipal({ ...environment, organization: account.organization, role }),
  );
  const [name, ...mfaName] = decision.principals;
  return {
    ...decision,
    principals: [
      name,
      ...mfaName,
      ...roles,
      ...(hasMfaToTheEnd ? roles.map((role) => `${mfaPrefix}${role}`) : []),
    ],
  };
}

/**
 * The role that the session has there as long as the shortest certificate lasts, and when it becomes less. Rules only
 * run out, so a role only falls.
 */
function roleThere(
  { account, session, rules }: NarrowedFacts,
  environment: EnvironmentFacts,
  nowSeconds: number,
): { readonly role: Role; readonly endsAtSeconds: number } | undefined {
  const roleAt = (seconds: number) =>
    limitedRole(highestRole(rules, account, environment, seconds), session.roleLimit);
  const lasting = nowSeconds + shortestLifeSeconds;
  const role = roleAt(lasting);
  if (role === null) return undefined;
  const ends = rules.flatMap(({ expiresAtSeconds }) => expiresAtSeconds ?? []).filter((at) => at > lasting);
  const endsAtSeconds = ends.sort((a, b) => a - b).find((at) => roleAt(at) !== role);
  return { role, endsAtSeconds: endsAtSeconds ?? Number.POSITIVE_INFINITY };
}

/** What decide-access.ts asks of a connection, as far as it is the environment's. */
function environmentObstacles(
  session: SessionFacts,
  environment: EnvironmentFacts,
  nowSeconds: number,
): Reason[] {
  const isMachine = session.mode !== 'interactive';
  const off = (['project', 'environment'] as const).find((level) => !environment.sshEnabled[level]);
  return [
    off && reason('ssh_disabled', off, environment[off]),
    environment.peopleOnly && isMachine ? reason('person_required', environment.environment) : undefined,
    environment.mfaRequired ? mfaObstacle(session, environment, nowSeconds) : undefined,
  ].filter((found) => found !== undefined);
}

/** A second factor that is about to be too old for the shortest certificate is too old. */
function mfaObstacle(
  session: SessionFacts,
  { environment: name, mfaMaxAgeSeconds: maxAge }: EnvironmentFacts,
  nowSeconds: number,
): Reason | undefined {
  if (session.mode !== 'interactive') return reason('mfa_impossible', name);
  const parameters = { amr: ['mfa'], ...(maxAge === null ? {} : { max_age: maxAge }) };
  if (!hasMfa(session, nowSeconds)) return { ...reason('mfa_missing', 'environment', name), parameters };
  if (maxAge === null || isFreshAt(session, maxAge, nowSeconds + shortestLifeSeconds)) return undefined;
  return { ...reason('mfa_too_old', 'environment', name, maxAge), parameters };
}

function refusedFor([first, ...more]: Reason[]): CertificateDecision {
  return { allowed: false, reasons: [first ?? reason('environment_unknown'), ...more] };
}
