/** What everybody may know of gateways: what anybody who connects to one is shown anyway, and nothing behind them. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';

export interface PublishedGateway {
  readonly name: string;
  readonly address: string;
  readonly ports: readonly number[];
  /** Blob of its SSH host key. */
  readonly hostKey: Buffer;
  readonly id: string;
  /** Of its organization, as the operator assigned them. */
  readonly domains: readonly string[];
}

/** The enrolled ones that are not revoked, of all organizations, by name. */
export async function publishedGateways(db: Database): Promise<PublishedGateway[]> {
  const rows = await db
    .selectFrom('companions')
    .select(['id', 'name', 'address', 'port', 'ports', 'host_key'])
    .select(
      sql<string[]>`array(
        select domain from organization_domains where organization_id = companions.organization_id order by domain
      )`.as('domains'),
    )
    .where('kind', '=', 'gateway')
    .where('enrolled_at', 'is not', null)
    .where('revoked_at', 'is', null)
    .orderBy('name')
    .execute();
  return rows.flatMap(({ id, name, address, port, ports, host_key: hostKey, domains }) =>
    hostKey === null ? [] : [{ id, name, address, ports: [port, ...ports], hostKey, domains }],
  );
}
