/**
 * What `sally explain` says: the decisions that the CA, gateways and hosts make, put together. Whoever gets no certificate
 * gets in nowhere, so what the CA has against one is told too. Facts in, decision out.
 */
import { underPolicy } from './assurance.ts';
import { type AccessDecision, decideAccess, unknownTarget } from './decide-access.ts';
import { type AppFacts, decideApp } from './decide-app.ts';
import { decideCertificate } from './decide-certificate.ts';
import type {
  AccessRuleFacts,
  AccountFacts,
  KeyFacts,
  OrganizationFacts,
  SessionFacts,
  TargetFacts,
} from './facts.ts';

export interface ExplainedFacts {
  readonly account: AccountFacts;
  readonly organization: OrganizationFacts;
  readonly session: SessionFacts;
  /** The key that its certificates are for; absent: one in a file. */
  readonly key?: KeyFacts | undefined;
  readonly rules: readonly AccessRuleFacts[];
  /** Undefined: there is no target of the name. */
  readonly target: TargetFacts | undefined;
  /** Undefined: there is no app of the name. */
  readonly app: AppFacts | undefined;
  readonly nowSeconds: number;
}

export function decideExplained(facts: ExplainedFacts): AccessDecision {
  const { account, organization, rules, target, app, nowSeconds } = facts;
  const session = underPolicy(facts.session, organization);
  const access = target
    ? decideAccess({ account, session, target, rules, nowSeconds, phase: 'start' })
    : unknownTarget;
  if (!access.allowed && !access.visible) {
    return app === undefined ? access : decideApp({ account, session, app, rules, nowSeconds });
  }
  const told = access.allowed ? [] : access.reasons;
  const [first, ...more] = [...told, ...ofCertificate(facts, new Set(told.map(({ code }) => code)))];
  return first === undefined ? access : { allowed: false, visible: true, reasons: [first, ...more] };
}

/** What is not told already. A session that ends soon has its certificate, and gets in with it until then. */
function ofCertificate(
  { account, organization, session, key, nowSeconds }: ExplainedFacts,
  told: ReadonlySet<string>,
) {
  const decision = decideCertificate({ account, organization, session, key }, nowSeconds);
  if (decision.allowed) return [];
  return decision.reasons.filter(({ code }) => code !== 'session_ending' && !told.has(code));
}
