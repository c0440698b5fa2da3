/** Gateways as people's ssh configuration names them. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';

export interface Gateway {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Where it listens besides, in the order in which clients try them. */
  readonly ports: readonly number[];
  /** null: it has shown none yet. */
  readonly hostKey: Uint8Array | null;
  /** Whether its firewall is opened on request. */
  readonly givesLeases: boolean;
  /** Everybody logs in as this user; null: as the target's name. */
  readonly gatewayLogin: string | null;
  /** Names of the targets that are reached through it. */
  readonly targetNames: readonly string[];
}

/** The enrolled ones that are not revoked, by name. */
export async function gatewaysOfOrganization(db: Database, organizationId: string): Promise<Gateway[]> {
  const rows = await db
    .selectFrom('companions')
    .select(['id', 'name', 'address', 'port', 'ports', 'host_key', 'gateway_login', 'lease_max_seconds'])
    .select(
      sql<string[]>`array(
        select target_name
        from companion_environments
        join apps using (environment_id)
        join instances on instances.app_id = apps.id
        where companion_environments.companion_id = companions.id
        order by target_name
      )`.as('target_names'),
    )
    .where('organization_id', '=', organizationId)
    .where('kind', '=', 'gateway')
    .where('enrolled_at', 'is not', null)
    .where('revoked_at', 'is', null)
    .orderBy('name')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    address: row.address,
    port: row.port,
    ports: row.ports.filter((port) => port !== row.port),
    hostKey: row.host_key,
    gatewayLogin: row.gateway_login,
    givesLeases: row.lease_max_seconds !== null,
    targetNames: row.target_names,
  }));
}
