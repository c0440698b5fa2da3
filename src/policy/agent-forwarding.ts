/**
 * Whether a certificate says that its owner's agent may be forwarded. It hands the far machine a way back to the person,
 * so only who may reach an app that wants it gets it said; where to, companions narrow per connection. Pure.
 */
import type { AccessRuleFacts, AccountFacts, Role, SessionFacts } from './facts.ts';
import { highestRole, limitedRole, roleSuffices } from './roles.ts';

/** An app that allows it. */
export interface AgentApp {
  readonly organization: string;
  readonly project: string;
  readonly environment: string;
  readonly sshRole: Role;
}

export interface AgentForwardingFacts {
  readonly account: AccountFacts;
  readonly session: Pick<SessionFacts, 'roleLimit'>;
  readonly apps: readonly AgentApp[];
  /** Every rule that names the account or one of its groups. */
  readonly rules: readonly AccessRuleFacts[];
  readonly nowSeconds: number;
}

export function mayForwardAgent({
  account,
  session,
  apps,
  rules,
  nowSeconds,
}: AgentForwardingFacts): boolean {
  return apps.some((app) => {
    const role = limitedRole(highestRole(rules, account, app, nowSeconds), session.roleLimit);
    return role !== null && roleSuffices(role, app.sshRole);
  });
}
