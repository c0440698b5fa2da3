/** Whose firewall a lease is for: the machines that a name stands for, of which its caller may reach something. */
import { loadAccount } from '../accounts/account.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { type Target, targetByName, targetsOfCompanion } from '../inventory/target.ts';
import { underPolicy } from '../policy/assurance.ts';
import { type AccessDecision, decideAccess } from '../policy/decide-access.ts';
import type { SessionFacts } from '../policy/facts.ts';
import { helpfulCommand } from '../policy/reasons.ts';

export interface LeaseMachine {
  readonly id: string;
  readonly name: string;
  readonly kind: 'gateway' | 'host';
  readonly address: string;
  readonly port: number;
  /** Where else its sshd listens. */
  readonly ports: readonly number[];
  readonly longestSeconds: number;
}

export interface LeaseCaller {
  readonly accountId: string;
  readonly organizationId: string;
  readonly session: SessionFacts;
}

/** @throws not_found, the same for what is not there and for what the caller may not see; access_denied, forbidden */
export async function leaseMachines(
  tx: Tx,
  caller: LeaseCaller,
  name: string,
  now: Date,
): Promise<LeaseMachine[]> {
  const named = await machineQuery(tx, caller.organizationId)
    .where('companions.name', '=', name)
    .executeTakeFirst();
  if (named !== undefined) {
    await requireAccess(tx, caller, await targetsOfCompanion(tx, named.id), now);
    return openable([named], name);
  }
  const target = await targetByName(tx, name);
  await requireAccess(tx, caller, target?.organizationId === caller.organizationId ? [target] : [], now);
  return openable(await machinesOfTarget(tx, caller.organizationId, name), name);
}

/** To something there, now. */
async function requireAccess(
  tx: Tx,
  { accountId, session }: LeaseCaller,
  targets: readonly Target[],
  now: Date,
): Promise<void> {
  const { facts: account, organization } = await loadAccount(tx, accountId);
  const rules = await rulesForAccount(tx, accountId);
  const decisions = targets.map(
    (target): AccessDecision =>
      decideAccess({
        account,
        session: underPolicy(session, organization),
        target,
        rules,
        nowSeconds: Math.floor(now.getTime() / 1000),
        // An open firewall lets nobody in yet: how old the second factor is matters to the connection, not to the way there.
        phase: 'running',
      }),
  );
  if (decisions.some(({ allowed }) => allowed)) return;
  const [seen] = decisions.filter((decision) => !decision.allowed && decision.visible);
  if (seen === undefined || seen.allowed) {
    throw new SallyportError(
      'not_found',
      'There is no gateway, host or target of this name that you have a role on.',
    );
  }
  const { reasons } = seen;
  throw new SallyportError('access_denied', reasons.map(({ message }) => message).join(' '), {
    members: { reasons: reasons.map(({ code }) => code), command: helpfulCommand(reasons) },
  });
}

function openable(found: readonly MachineRow[], name: string): LeaseMachine[] {
  const machines = found.flatMap(({ lease_max_seconds: longestSeconds, ...machine }) =>
    longestSeconds === null ? [] : [{ ...machine, longestSeconds }],
  );
  if (machines.length > 0) return machines;
  throw new SallyportError(
    'forbidden',
    `There are no leases for ${name}: its firewall is not opened on request. An admin can allow it for the machine: lease_max_seconds.`,
  );
}

type MachineRow = Awaited<ReturnType<ReturnType<typeof machineQuery>['execute']>>[number];

function machineQuery(tx: Tx, organizationId: string) {
  return tx
    .selectFrom('companions')
    .select(['companions.id', 'companions.name', 'companions.kind', 'companions.address', 'companions.port'])
    .select(['companions.ports', 'companions.lease_max_seconds'])
    .where('companions.organization_id', '=', organizationId)
    .where('companions.enrolled_at', 'is not', null)
    .where('companions.revoked_at', 'is', null)
    .orderBy('companions.name');
}

async function machinesOfTarget(tx: Tx, organizationId: string, name: string): Promise<MachineRow[]> {
  return await machineQuery(tx, organizationId)
    .where((where) =>
      where.or([
        where(
          'companions.id',
          'in',
          where.selectFrom('instances').select('instances.host_id').where('target_name', '=', name),
        ),
        where(
          'companions.id',
          'in',
          where
            .selectFrom('companion_environments')
            .innerJoin('apps', 'apps.environment_id', 'companion_environments.environment_id')
            .innerJoin('instances', 'instances.app_id', 'apps.id')
            .select('companion_environments.companion_id')
            .where('instances.target_name', '=', name),
        ),
      ]),
    )
    .execute();
}
