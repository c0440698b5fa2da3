/** Gateways and hosts: the machines with a companion. */

import { type Selectable, sql } from 'kysely';
import type { Database, Tx } from '../database/database.ts';
import type { CompanionRow } from '../database/rows.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { explained } from './broken-constraint.ts';
import { checkAddress, checkLogin, checkSlug, checkSourceAddress } from './grammar.ts';
import { inventoryChanged } from './inventory-changed.ts';

export type CompanionKind = 'gateway' | 'host';

export interface Companion {
  readonly id: string;
  readonly organizationId: string;
  readonly kind: CompanionKind;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Where its sshd listens besides, in the order in which clients try them. */
  readonly ports: readonly number[];
  /** Gateways: everybody logs in as this user; null: as the target's name. */
  readonly gatewayLogin: string | null;
  /** SSH wire form of its host key; null until it is enrolled. */
  readonly hostKey: Buffer | null;
  readonly enrolledAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastSeenAt: Date | null;
  /** The last state that it installed; null before the first. */
  readonly acknowledged: Acknowledged | null;
  /** Why it could not install its latest state; null if it could. */
  readonly problem: string | null;
  /** How far its revocation list is over the budget; null: it is within. */
  readonly krlExcessBytes: number | null;
}

export interface Acknowledged {
  readonly version: bigint;
  readonly krlVersion: bigint;
  readonly at: Date;
  /** Connections that it ended because of that state. */
  readonly connectionsEnded: number;
}

export interface NewCompanion {
  readonly organizationId: string;
  readonly kind: CompanionKind;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly gatewayLogin: string | null;
  /** Gateways: the IP address that targets see it come from, if that is not its address. */
  readonly sourceAddress?: string | null;
  /** What a gateway serves; it hears of no other environment. */
  readonly environmentIds: readonly string[];
}

/** @returns its id @throws name_refused, name_taken, not_found if an environment is another organization's */
export async function createCompanion(tx: Tx, companion: NewCompanion): Promise<string> {
  const { organizationId, kind, name, address, port, gatewayLogin, environmentIds } = companion;
  const { sourceAddress = null } = companion;
  checkSlug('the name of a gateway or host', name);
  checkAddress(companion);
  if (gatewayLogin !== null) checkLogin(gatewayLogin);
  if (sourceAddress !== null) checkSourceAddress(sourceAddress);
  await requireEnvironments(tx, environmentIds, organizationId);
  const { id } = await explained(
    tx
      .insertInto('companions')
      .values({
        organization_id: organizationId,
        kind,
        name,
        address,
        port,
        gateway_login: gatewayLogin,
        source_address: sourceAddress,
      })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  for (const environmentId of new Set(environmentIds)) {
    await tx
      .insertInto('companion_environments')
      .values({ companion_id: id, environment_id: environmentId })
      .execute();
  }
  await inventoryChanged(tx, { organizationId, change: `${kind} created`, name });
  return id;
}

/** Where people reach it now. Nothing happens if nothing is different. @throws not_found, name_refused */
export async function updateCompanionAddress(
  tx: Tx,
  companionId: string,
  { address, port }: { address: string; port: number },
): Promise<void> {
  checkAddress({ address, port });
  const before = await tx
    .selectFrom('companions')
    .select(['organization_id', 'kind', 'name', 'address', 'port'])
    .where('id', '=', companionId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (before === undefined) throw noCompanion();
  if (before.address === address && before.port === port) return;
  await tx.updateTable('companions').set({ address, port }).where('id', '=', companionId).execute();
  await inventoryChanged(tx, {
    organizationId: before.organization_id,
    change: `${before.kind} moved`,
    name: before.name,
  });
}

/** Where targets see a gateway come from now; null: its address. @throws not_found, name_refused */
export async function updateSourceAddress(
  tx: Tx,
  gatewayId: string,
  sourceAddress: string | null,
): Promise<void> {
  if (sourceAddress !== null) checkSourceAddress(sourceAddress);
  const before = await tx
    .selectFrom('companions')
    .select(['organization_id', 'name', 'source_address'])
    .where('id', '=', gatewayId)
    .where('kind', '=', 'gateway')
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (before === undefined) throw noCompanion();
  if (before.source_address === sourceAddress) return;
  await tx
    .updateTable('companions')
    .set({ source_address: sourceAddress })
    .where('id', '=', gatewayId)
    .execute();
  const { organization_id: organizationId, name } = before;
  await inventoryChanged(tx, { organizationId, change: 'gateway source address changed', name });
}

/** @throws not_found */
export async function companionById(db: Database, companionId: string): Promise<Companion> {
  const row = await db.selectFrom('companions').selectAll().where('id', '=', companionId).executeTakeFirst();
  if (row === undefined) throw noCompanion();
  return companionOf(row);
}

/** Those of them that there are, revoked ones too, in no order. */
export async function companionsById(db: Database, companionIds: readonly string[]): Promise<Companion[]> {
  const rows = await db
    .selectFrom('companions')
    .selectAll()
    .where('id', '=', sql<string>`any(${[...companionIds]}::uuid[])`)
    .execute();
  return rows.map(companionOf);
}

/** All that are not revoked, by name, with what each acknowledged last. */
export async function companionsOfOrganization(db: Database, organizationId: string): Promise<Companion[]> {
  const rows = await db
    .selectFrom('companions')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('revoked_at', 'is', null)
    .orderBy('name')
    .execute();
  return rows.map(companionOf);
}

/** Every organization's machines that are in use, by name. */
export async function enrolledCompanions(db: Database): Promise<Companion[]> {
  const rows = await db
    .selectFrom('companions')
    .selectAll()
    .where('enrolled_at', 'is not', null)
    .where('revoked_at', 'is', null)
    .orderBy('name')
    .execute();
  return rows.map(companionOf);
}

export function companionOf(row: Selectable<CompanionRow>): Companion {
  return {
    id: row.id,
    organizationId: row.organization_id,
    kind: row.kind,
    name: row.name,
    address: row.address,
    port: row.port,
    ports: row.ports,
    gatewayLogin: row.gateway_login,
    hostKey: row.host_key,
    enrolledAt: row.enrolled_at,
    revokedAt: row.revoked_at,
    lastSeenAt: row.last_seen_at,
    acknowledged: acknowledgedOf(row),
    problem: row.problem,
    krlExcessBytes: row.krl_excess_bytes,
  };
}

function acknowledgedOf(row: Selectable<CompanionRow>): Acknowledged | null {
  if (row.acknowledged_version === null || row.acknowledged_krl_version === null) return null;
  if (row.acknowledged_at === null) return null;
  return {
    version: BigInt(row.acknowledged_version),
    krlVersion: BigInt(row.acknowledged_krl_version),
    at: row.acknowledged_at,
    connectionsEnded: row.connections_ended,
  };
}

export function noCompanion(): SallyportError {
  return new SallyportError('not_found', 'There is no such gateway or host.');
}

export function notEnrolled(): SallyportError {
  return new SallyportError('token_invalid', 'This machine is not enrolled any more. Enrol it again.');
}

async function requireEnvironments(
  tx: Tx,
  environmentIds: readonly string[],
  organizationId: string,
): Promise<void> {
  const wanted = new Set(environmentIds);
  if (wanted.size === 0) return;
  const rows = await tx
    .selectFrom('environments')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .select('environments.id')
    .where('projects.organization_id', '=', organizationId)
    .where('environments.id', 'in', [...wanted])
    .execute();
  if (rows.length === wanted.size) return;
  throw new SallyportError('not_found', 'There is no such environment in this organization.');
}
