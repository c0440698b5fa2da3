/** Everything that a person may see of the targets of their organization, decided as gateways decide. */
import { loadAccount } from '../accounts/account.ts';
import type { SeenGateway, SeenTarget, TargetsReply } from '../api/targets.ts';
import type { Tx } from '../database/database.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { type Gateway, gatewaysOfOrganization } from '../inventory/gateway.ts';
import { appsWithoutInstances, detailsOfInstances, type InstanceDetails } from '../inventory/seen.ts';
import { type Target, targetsOfOrganization } from '../inventory/target.ts';
import { underPolicy } from '../policy/assurance.ts';
import { type AccessDecision, decideAccess } from '../policy/decide-access.ts';
import { helpfulCommand } from '../policy/reasons.ts';
import { highestRole } from '../policy/roles.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import { fingerprint } from '../ssh/public-key.ts';

export interface TargetPage {
  /** The name that the page before ended with; undefined: the first page. */
  readonly after: string | undefined;
  readonly limit: number;
  /** This one and no other. */
  readonly only?: string;
}

export async function visibleTargets(
  tx: Tx,
  { sessionId, accountId }: { sessionId: string; accountId: string },
  { after, limit, only }: TargetPage,
  now: Date,
): Promise<TargetsReply> {
  const { facts } = await lockLiveSession(tx, sessionId, 'share', now);
  const { facts: account, organizationId, organization } = await loadAccount(tx, accountId);
  const session = underPolicy(facts, organization);
  const rules = await rulesForAccount(tx, accountId);
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const gateways = await gatewaysOfOrganization(tx, organizationId);
  const details = await detailsOfInstances(tx, organizationId);
  const gatewaysOf = namesByTarget(gateways);

  const targets: SeenTarget[] = [];
  let more = false;
  for (const target of (await targetsOfOrganization(tx, organizationId)).sort(byName)) {
    if (after !== undefined && target.targetName <= after) continue;
    if (only !== undefined && target.targetName !== only) continue;
    const decision = decideAccess({ account, session, target, rules, nowSeconds, phase: 'start' });
    if (!decision.allowed && !decision.visible) continue;
    more = targets.length === limit;
    if (more) break;
    const names = gatewaysOf.get(target.targetName) ?? [];
    targets.push(seenTarget(target, decision, names, details.get(target.targetName)));
  }
  const named = new Set(targets.flatMap((target) => target.gateways));
  const empty = more ? [] : await appsWithoutInstances(tx, organizationId);
  return {
    account: account.name,
    targets,
    gateways: gateways.filter(({ name }) => named.has(name)).map(seenGateway),
    empty_apps: empty
      .filter((app) => highestRole(rules, account, app, nowSeconds) !== null)
      .map(({ name }) => name),
    next: more ? (targets.at(-1)?.name ?? null) : null,
  };
}

/** Not in the database's order, which may leave out hyphens: pages go on after a name. */
function byName(one: Target, other: Target): number {
  return one.targetName < other.targetName ? -1 : 1;
}

function namesByTarget(gateways: readonly Gateway[]): ReadonlyMap<string, string[]> {
  const names = new Map<string, string[]>();
  for (const { name, targetNames } of gateways) {
    for (const target of targetNames) names.set(target, [...(names.get(target) ?? []), name]);
  }
  return names;
}

function seenTarget(
  target: Target,
  decision: AccessDecision,
  gateways: string[],
  details: InstanceDetails | undefined,
): SeenTarget {
  const { accessMode, nodeNumber } = target;
  const [first] = decision.allowed ? [] : decision.reasons;
  return {
    name: target.targetName,
    alias: `${nodeNumber}-${target.gatewayUid}`,
    number: nodeNumber,
    organization: target.organization,
    project: target.project,
    environment: target.environment,
    environment_kind: target.environmentKind,
    app: target.app,
    instance: target.instance,
    kind: target.instanceKind,
    role: target.instanceRole,
    labels: details?.labels ?? {},
    state: target.state,
    address: target.address,
    port: target.port,
    login: target.login,
    journal_unit: target.journalUnit,
    gateways,
    access: accessMode,
    ways: waysTo(target, gateways),
    ...(isByHand(target) && { narrowed: true as const }),
    fingerprint: details?.hostKey ? fingerprint(details.hostKey) : null,
    allowed: decision.allowed,
    reason: first ? { code: first.code, message: first.message } : null,
    command: decision.allowed ? null : helpfulCommand(decision.reasons),
  };
}

function waysTo({ accessMode, host }: Target, gateways: readonly string[]): SeenTarget['ways'] {
  if (gateways.length === 0) return isDirect({ accessMode }) ? ['host'] : [];
  const ways = (['relay', 'jump'] as const).filter((way) => accessMode === 'both' || accessMode === way);
  return ways.filter((way) => way === 'jump' || host !== null);
}

/** Without a gateway: the host decides itself, unless its environment wants to see the sessions. */
export function isDirect({ accessMode }: Pick<Target, 'accessMode'>): boolean {
  return accessMode !== 'relay';
}

/** The host has no companion, and lets people in by what their certificates say (docs/hosts-by-hand.md). */
export function isByHand({ accessMode, host }: Pick<Target, 'accessMode' | 'host'>): boolean {
  return host === null && accessMode !== 'relay';
}

function seenGateway(gateway: Gateway): SeenGateway {
  const { name, address, port, ports, gatewayLogin, hostKey, givesLeases } = gateway;
  return {
    name,
    address,
    ports: [port, ...ports],
    login: gatewayLogin,
    ...(givesLeases && { leases: true }),
    fingerprint: hostKey === null ? null : fingerprint(hostKey),
  };
}
