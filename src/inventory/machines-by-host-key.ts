/** Enrolled machines by the fingerprint of their host key, with what is reached there or through them. */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import { type Target, targetsOfCompanions } from './target.ts';

export interface WantedMachine {
  readonly organizationId: string;
  /** SHA256:... */
  readonly fingerprint: string;
}

export interface MachineByHostKey {
  readonly id: string;
  readonly name: string;
  readonly targets: readonly Target[];
}

/**
 * Those that there are in the organizations that they were asked for in; none that was revoked. Where several share a host
 * key, as copies of one machine do, it says nothing of which one is meant.
 */
export async function machinesByHostKey<Wanted extends WantedMachine>(
  db: Database,
  wanted: readonly Wanted[],
): Promise<ReadonlyMap<Wanted, MachineByHostKey>> {
  if (wanted.length === 0) return new Map();
  const rows = await db
    .selectFrom('companions')
    .select(['id', 'name', 'organization_id'])
    .select(sql<Buffer>`sha256(host_key)`.as('digest'))
    .where('enrolled_at', 'is not', null)
    .where('revoked_at', 'is', null)
    .where(
      sql<boolean>`(organization_id, sha256(host_key)) in (
        select * from unnest(
          ${wanted.map(({ organizationId }) => organizationId)}::uuid[],
          ${wanted.map(({ fingerprint }) => digestOf(fingerprint))}::bytea[]
        )
      )`,
    )
    .execute();
  const targets = await targetsOfCompanions(
    db,
    rows.map(({ id }) => id),
  );
  return new Map(
    wanted.flatMap((one) => {
      const [row, another] = rows.filter(
        ({ organization_id, digest }) =>
          organization_id === one.organizationId && digestOf(one.fingerprint).equals(digest),
      );
      return row && !another
        ? [[one, { id: row.id, name: row.name, targets: targets.get(row.id) ?? [] }] as const]
        : [];
    }),
  );
}

function digestOf(fingerprint: string): Buffer {
  return Buffer.from(fingerprint.replace(/^SHA256:/, ''), 'base64');
}
