/** What a person's ssh needs to know: the gateways and targets that they may see, and no others. */
import { loadAccount } from '../accounts/account.ts';
import type { SshConfiguration } from '../api/ssh-configuration.ts';
import { hostSuffix } from '../ca/issue-host-certificate.ts';
import type { Tx } from '../database/database.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { gatewaysOfOrganization } from '../inventory/gateway.ts';
import { targetsOfOrganization } from '../inventory/target.ts';
import { decideAccess } from '../policy/decide-access.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import { isByHand, isDirect } from './visible-targets.ts';

export async function sshConfigurationFor(
  tx: Tx,
  { sessionId, accountId }: { sessionId: string; accountId: string },
  hostAuthorities: readonly string[],
  now: Date,
): Promise<SshConfiguration> {
  const { facts: session } = await lockLiveSession(tx, sessionId, 'share', now);
  const { facts: account, organizationId } = await loadAccount(tx, accountId);
  const rules = await rulesForAccount(tx, accountId);
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const visible = (await targetsOfOrganization(tx, organizationId)).filter((target) => {
    const decision = decideAccess({ account, session, target, rules, nowSeconds, phase: 'start' });
    return decision.allowed || decision.visible;
  });
  const gateways = await gatewaysOfOrganization(tx, organizationId);
  const gatewayOf = (targetName: string) =>
    gateways.find(({ targetNames }) => targetNames.includes(targetName));
  const targets = visible.flatMap((target) => {
    const { targetName: name, address, port, login, accessMode: access, project, environment } = target;
    const gateway = gatewayOf(name)?.name ?? null;
    if (gateway === null && !isDirect(target)) return [];
    const narrowed = isByHand(target) && { narrow_to: { project, environment } };
    const factor = target.mfaRequired && { mfa_max_age: target.mfaMaxAgeSeconds };
    return [{ name, gateway, address, port, login, access, ...factor, ...narrowed }];
  });
  const used = new Set(targets.map(({ gateway }) => gateway));
  return {
    account: account.name,
    suffix: hostSuffix,
    host_authorities: [...hostAuthorities],
    gateways: gateways
      .filter(({ name }) => used.has(name))
      .map(({ name, address, port, ports, gatewayLogin: login }) => ({
        name,
        address,
        port,
        ...(ports.length > 0 && { ports: [...ports] }),
        login,
      })),
    targets,
  };
}
