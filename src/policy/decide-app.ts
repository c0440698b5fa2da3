/**
 * What is said of the name of an app where that of an instance is wanted. A refusal always: nobody logs in to an app.
 * Facts in, decision out.
 */
import { type RefusedAccess, unknownTarget } from './decide-access.ts';
import type { AccessRuleFacts, AccountFacts, SessionFacts } from './facts.ts';
import { reason } from './reasons.ts';
import { highestRole, limitedRole, type Scope } from './roles.ts';

/** An app by what its instances' target names begin with. */
export interface AppFacts extends Scope {
  /** `<project>-<environment>--<app>` */
  readonly name: string;
  /** Target names of its instances, in order. */
  readonly instances: readonly string[];
}

export interface AppQuestion {
  readonly account: AccountFacts;
  readonly session: Pick<SessionFacts, 'roleLimit'>;
  readonly app: AppFacts;
  readonly rules: readonly AccessRuleFacts[];
  readonly nowSeconds: number;
}

/** What the person may not see is unknown, the very same as what does not exist. */
export function decideApp({ account, session, app, rules, nowSeconds }: AppQuestion): RefusedAccess {
  const role = limitedRole(highestRole(rules, account, app, nowSeconds), session.roleLimit);
  if (role === null) return unknownTarget;
  const { name, instances } = app;
  const found =
    instances.length === 0 ? reason('no_instance', name) : reason('instance_needed', name, instances);
  return { allowed: false, visible: true, reasons: [found] };
}
