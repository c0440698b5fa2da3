import type { Tx } from '../database/database.ts';
import { violatedConstraint } from '../database/violated-constraint.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { mostPrincipalsIssued } from '../ssh/certificate.ts';
import { isTargetName } from '../ssh/names.ts';
import { appPath } from './app.ts';
import { checkAddress, checkLogin, checkSlug } from './grammar.ts';
import { inventoryChanged } from './inventory-changed.ts';

export interface NewInstance {
  readonly appId: string;
  /** null where the app has one instance: the target name ends with the app's name. */
  readonly instanceSlug: string | null;
  readonly address: string;
  readonly port: number;
  readonly login: string;
  /** The enrolled host that it runs on, if it has a companion. */
  readonly hostId: string | null;
}

/**
 * Its target name is composed here, once, and stored; it is looked up and never taken apart.
 * @returns its id @throws name_refused, name_taken, not_found, request_malformed if its host is full
 */
export async function createInstance(tx: Tx, instance: NewInstance): Promise<string> {
  const { appId, instanceSlug, address, port, login, hostId } = instance;
  if (instanceSlug !== null) checkSlug('the name of an instance', instanceSlug);
  checkAddress(instance);
  checkLogin(login);
  const { organizationId, name } = await appPath(tx, appId);
  const targetName = requireTargetName(name, instanceSlug);
  if (hostId !== null) await requireHost(tx, hostId, organizationId);

  const { id } = await tx
    .insertInto('instances')
    .values({
      app_id: appId,
      slug: instanceSlug,
      target_name: targetName,
      address,
      port,
      login,
      host_id: hostId,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
    .catch((error) => {
      if (violatedConstraint(error) !== 'instances_target_name_key') throw error;
      throw targetNameTaken(targetName, error);
    });
  await inventoryChanged(tx, { organizationId, change: 'instance created', name: targetName });
  return id;
}

/** Where an instance listens now. Companions hear of it only if something is different. @throws not_found, name_refused */
export async function updateInstanceAddress(
  tx: Tx,
  instanceId: string,
  { address, port }: { address: string; port: number },
): Promise<void> {
  checkAddress({ address, port });
  const before = await tx
    .selectFrom('instances')
    .select(['app_id', 'target_name', 'address', 'port'])
    .where('id', '=', instanceId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (before === undefined) throw new SallyportError('not_found', 'There is no such instance.');
  if (before.address === address && before.port === port) return;
  await tx.updateTable('instances').set({ address, port }).where('id', '=', instanceId).execute();
  const { organizationId } = await appPath(tx, before.app_id);
  await inventoryChanged(tx, { organizationId, change: 'instance moved', name: before.target_name });
}

export function targetNameTaken(targetName: string, cause?: unknown): SallyportError {
  return new SallyportError(
    'name_taken',
    `The target name ${targetName} is taken; target names are unique in the whole installation. ` +
      'Name the project, the environment, the app or the instance differently.',
    { cause },
  );
}

/** @param appName `<project>-<environment>--<app>` @throws name_refused */
export function requireTargetName(appName: string, instanceSlug: string | null): string {
  const targetName = instanceSlug === null ? appName : `${appName}--${instanceSlug}`;
  if (isTargetName(targetName)) return targetName;
  throw new SallyportError(
    'name_refused',
    `The target name would be ${targetName}, which is not one: it must begin with a letter and have at most 63 ` +
      'characters. Shorten the name of the project, the environment, the app or the instance.',
  );
}

/** A host certificate names the host and each of its targets; one that would name more than 32 is never made. */
export const mostTargetsOfHost = mostPrincipalsIssued - 1;

/** Locks the host, so that two instances that come at once are counted one after the other. */
export async function requireHost(tx: Tx, hostId: string, organizationId: string): Promise<void> {
  const row = await tx
    .selectFrom('companions')
    .select('name')
    .where('id', '=', hostId)
    .where('organization_id', '=', organizationId)
    .where('kind', '=', 'host')
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (row === undefined) throw new SallyportError('not_found', 'There is no such host in this organization.');
  const targets = await tx.selectFrom('instances').select('id').where('host_id', '=', hostId).execute();
  if (targets.length < mostTargetsOfHost) return;
  throw new SallyportError(
    'request_malformed',
    `The host ${row.name} has ${targets.length} instances, the most that its certificate can name. ` +
      'Put this one on another host.',
  );
}
