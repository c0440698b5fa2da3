/**
 * What a connection to a target may forward: tunnels to which services (-L), listening on the far side (-R), the agent
 * (-A). Facts in, decision out. It says nothing of whether the connection itself is allowed: decideAccess does.
 */
import type {
  AccessRuleFacts,
  AccountFacts,
  Role,
  ServiceFacts,
  SessionFacts,
  TargetFacts,
} from './facts.ts';
import { highestRole, limitedRole, roleSuffices } from './roles.ts';

export interface ForwardingFacts {
  readonly account: AccountFacts;
  readonly session: Pick<SessionFacts, 'roleLimit'>;
  readonly target: Pick<TargetFacts, 'organization' | 'project' | 'environment' | 'forwarding'>;
  readonly rules: readonly AccessRuleFacts[];
  /** All that are known; those of other environments are left out here. */
  readonly services: readonly ServiceFacts[];
  readonly nowSeconds: number;
}

export interface ForwardingDecision {
  /** Those that it may tunnel to, in the order given. */
  readonly services: readonly ServiceFacts[];
  readonly remote: boolean;
  readonly agent: boolean;
}

const nothing: ForwardingDecision = { services: [], remote: false, agent: false };

export function decideForwarding(facts: ForwardingFacts): ForwardingDecision {
  const { account, session, target, rules, services, nowSeconds } = facts;
  const role = limitedRole(highestRole(rules, account, target, nowSeconds), session.roleLimit);
  if (role === null) return nothing;
  const { local, remote, agent } = target.forwarding;
  return {
    services: local ? services.filter((service) => isOpen(service, target, role)) : [],
    remote,
    agent,
  };
}

/** Services belong to an environment, and so do those who may use them. */
function isOpen(service: ServiceFacts, target: ForwardingFacts['target'], role: Role): boolean {
  return (
    service.organization === target.organization &&
    service.project === target.project &&
    service.environment === target.environment &&
    roleSuffices(role, service.role)
  );
}
