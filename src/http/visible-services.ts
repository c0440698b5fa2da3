/** What a person may tunnel to by way of a target, decided as gateways decide. */
import { loadAccount } from '../accounts/account.ts';
import type { ServicesReply } from '../api/services.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { type Service, servicesOfEnvironment } from '../inventory/service.ts';
import { targetByName } from '../inventory/target.ts';
import { underPolicy } from '../policy/assurance.ts';
import { decideAccess } from '../policy/decide-access.ts';
import { decideForwarding } from '../policy/decide-forwarding.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';

/** @throws not_found, the same for a target that there is not and for one that the person may not see */
export async function visibleServices(
  tx: Tx,
  { sessionId, accountId }: { sessionId: string; accountId: string },
  targetName: string,
  now: Date,
): Promise<ServicesReply> {
  const { facts } = await lockLiveSession(tx, sessionId, 'share', now);
  const { facts: account, organizationId, organization } = await loadAccount(tx, accountId);
  const session = underPolicy(facts, organization);
  const rules = await rulesForAccount(tx, accountId);
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const found = await targetByName(tx, targetName);
  const target = found?.organizationId === organizationId ? found : undefined;
  const decision = target && decideAccess({ account, session, target, rules, nowSeconds, phase: 'start' });
  if (!target || !decision || (!decision.allowed && !decision.visible)) {
    throw new SallyportError(
      'not_found',
      `There is no target ${targetName} that you have a role on. Those that you may see: sally ls`,
    );
  }
  const services = await servicesOfEnvironment(tx, target);
  const open = decideForwarding({ account, session, target, rules, services, nowSeconds }).services;
  return {
    account: account.name,
    target: targetName,
    services: services.filter((service) => open.includes(service)).map(openService),
    closed: services
      .filter((service) => !open.includes(service))
      .map(({ name, kind, role }) => ({
        name,
        kind,
        role,
        reason: target.forwarding.local ? ('role_too_low' as const) : ('forwarding_off' as const),
      })),
  };
}

function openService({
  name,
  kind,
  address,
  port,
  login,
  database,
}: Service): ServicesReply['services'][number] {
  return { name, kind, address, port, login, database };
}
