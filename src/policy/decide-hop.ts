/**
 * May a gateway take somebody on to a target, by a hop certificate? Asked twice: by the CA before it issues one, with what
 * the person's own certificate proves, and by the host's companion when it is offered. Facts in, decision out.
 */
import { type AccessDecision, type AccessFacts, decideAccess, unknownTarget } from './decide-access.ts';
import type { TargetFacts } from './facts.ts';
import { type Reason, reason } from './reasons.ts';

export interface HopFacts extends Omit<AccessFacts, 'target' | 'phase'> {
  /** Undefined: there is no target of this name behind the gateway. */
  readonly target: TargetFacts | undefined;
  /** Whether the target runs on an enrolled host, which alone can be named in a hop certificate. */
  readonly hasHost: boolean;
}

/** For the CA. The session is that of the person's certificate: its time, its MFA. */
export function decideHop({ target, hasHost, ...facts }: HopFacts): AccessDecision {
  if (target === undefined) return unknownTarget;
  const access = decideAt(target, { ...facts, phase: 'start' });
  return withReasons(access, [checkAccessMode(target), hasHost ? undefined : reason('host_missing')]);
}

/**
 * For the host, of a connection that arrives or runs. MFA is not asked for again: a hop certificate holds none, and within
 * the minute that it lives the CA has judged that of the person's own certificate. Everything else is.
 */
export function decideHopArrival({ target, ...facts }: AccessFacts): AccessDecision {
  return withReasons(decideAt({ ...target, mfaRequired: false }, facts), [checkAccessMode(target)]);
}

/** People of one organization never learn of another's targets, whatever a rule says. */
function decideAt(target: TargetFacts, facts: Omit<AccessFacts, 'target'>): AccessDecision {
  if (facts.account.organization !== target.organization) return unknownTarget;
  return decideAccess({ ...facts, target });
}

/**
 * What sshd of the host is told to permit the second leg, of what the person's own certificate permits: a terminal, and
 * what the gateway carries on of their forwarding where the app wants it. Tunnels to services end at the gateway.
 */
export function hopPermissions(
  permitted: readonly string[],
  { forwarding }: Pick<TargetFacts, 'forwarding'>,
): string[] {
  const wanted = [
    ...(forwarding.agent ? ['permit-agent-forwarding'] : []),
    ...(forwarding.remote ? ['permit-port-forwarding'] : []),
    'permit-pty',
  ];
  return wanted.filter((name) => permitted.includes(name));
}

function checkAccessMode({ accessMode, environment }: TargetFacts): Reason | undefined {
  return accessMode === 'jump' ? reason('relay_off', environment) : undefined;
}

/** More that stands in the way, told only to who may see the target. */
function withReasons(access: AccessDecision, checked: readonly (Reason | undefined)[]): AccessDecision {
  if (!access.allowed && !access.visible) return access;
  const before = access.allowed ? [] : access.reasons;
  const [first, ...more] = [...before, ...checked.filter((found) => found !== undefined)];
  return first === undefined ? access : { allowed: false, visible: true, reasons: [first, ...more] };
}
