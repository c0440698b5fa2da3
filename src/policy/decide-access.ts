/**
 * May this session connect to this target now? Asked by gateways for every connection, again when facts change, and by
 * `sally explain`. Facts in, decision out; it never throws and never believes a request where it has facts.
 */
import { hasMfa, isFreshAt } from './assurance.ts';
import type {
  AccessRuleFacts,
  AccountFacts,
  InstanceState,
  Role,
  SessionFacts,
  TargetFacts,
} from './facts.ts';
import { type Reason, type ReasonCode, type Reasons, reason } from './reasons.ts';
import { highestRole, limitedRole, roleSuffices } from './roles.ts';

export interface AccessFacts {
  readonly account: AccountFacts;
  readonly session: SessionFacts;
  readonly target: TargetFacts;
  readonly rules: readonly AccessRuleFacts[];
  readonly nowSeconds: number;
  /**
   * `running`: a connection that was allowed to start is judged again; the age of its MFA no longer matters, except
   * where the environment enforces it continuously.
   */
  readonly phase: 'start' | 'running';
}

export type AccessDecision =
  | { readonly allowed: true; readonly role: Role }
  | {
      readonly allowed: false;
      /** false: the person must not learn whether the target exists. */
      readonly visible: boolean;
      /** Everything that stands in the way, the most important first. */
      readonly reasons: Reasons;
    };

export type RefusedAccess = Extract<AccessDecision, { allowed: false }>;

/** The answer for a target that does not exist, the very same as for one that the person may not see. */
export const unknownTarget: RefusedAccess = {
  allowed: false,
  visible: false,
  reasons: [reason('target_unknown')],
};

type Check = (facts: AccessFacts, role: Role) => Reason | undefined;

/** In the order in which their reasons are told. */
const checks: readonly Check[] = [
  checkAccount,
  checkSession,
  checkSwitches,
  checkPerson,
  checkRole,
  checkInstance,
  checkMfa,
];

export function decideAccess(facts: AccessFacts): AccessDecision {
  const { account, session, target, rules, nowSeconds } = facts;
  const role = limitedRole(highestRole(rules, account, target, nowSeconds), session.roleLimit);
  if (role === null) return unknownTarget;

  const [first, ...more] = checks.map((check) => check(facts, role)).filter((found) => found !== undefined);
  return first ? { allowed: false, visible: true, reasons: [first, ...more] } : { allowed: true, role };
}

function checkAccount({ account }: AccessFacts): Reason | undefined {
  return account.disabled ? reason('account_disabled', account.organization) : undefined;
}

function checkSession({ session, nowSeconds }: AccessFacts): Reason | undefined {
  if (session.ended) return reason('session_ended');
  return nowSeconds < session.expiresAtSeconds ? undefined : reason('session_expired');
}

/** Every level can switch SSH off; the topmost that does is named. */
function checkSwitches({ target }: AccessFacts): Reason | undefined {
  const levels = ['organization', 'project', 'environment', 'app'] as const;
  const off = levels.find((level) => !target.sshEnabled[level]);
  return off && reason('ssh_disabled', off, target[off]);
}

/** A hop was judged as the person that it brings. */
function checkPerson({ session, target }: AccessFacts): Reason | undefined {
  return target.peopleOnly && isMachine(session) ? reason('person_required', target.environment) : undefined;
}

function isMachine({ mode }: SessionFacts): boolean {
  return mode === 'token' || mode === 'ci' || mode === 'key';
}

function checkRole({ target }: AccessFacts, role: Role): Reason | undefined {
  return roleSuffices(role, target.sshRole) ? undefined : reason('role_insufficient', target.sshRole, role);
}

function checkInstance({ target }: AccessFacts): Reason | undefined {
  const { state, targetName } = target;
  return state === 'running' ? undefined : reason(stateReasons[state], targetName);
}

const stateReasons = {
  starting: 'instance_starting',
  stopped: 'instance_stopped',
  paused: 'instance_paused',
  inactive: 'instance_inactive',
} as const satisfies Record<Exclude<InstanceState, 'running'>, ReasonCode>;

function checkMfa({ session, target, nowSeconds, phase }: AccessFacts): Reason | undefined {
  if (!target.mfaRequired) return undefined;
  // No login would help: nobody is sent through one.
  if (isMachine(session)) return reason('mfa_impossible', target.environment);
  if (!hasMfa(session, nowSeconds)) {
    return { ...reason('mfa_missing', 'environment', target.environment), parameters: { amr: ['mfa'] } };
  }
  const maxAge = target.mfaMaxAgeSeconds;
  if (phase === 'running' && target.mfaEnforcement === 'start') return undefined;
  if (maxAge === null || isFreshAt(session, maxAge, nowSeconds)) return undefined;
  return {
    ...reason('mfa_too_old', 'environment', target.environment, maxAge),
    parameters: { amr: ['mfa'], max_age: maxAge },
  };
}
