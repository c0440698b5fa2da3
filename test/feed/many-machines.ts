/** Many enrolled machines at once, as a large organization has them. */
import { sql } from 'kysely';
import type { Database } from '../../src/database/database.ts';
import { newToken, tokenHash } from '../../src/secrets/token.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';

export interface ManyMachines {
  readonly companionIds: readonly string[];
  readonly credentials: readonly string[];
}

/** Gateways of one environment, `gate-1` and so on: rows as an enrolment leaves them. */
export async function enrolMany(
  db: Database,
  { organizationId, environmentId }: { organizationId: string; environmentId: string },
  { count, now, name = 'gate' }: { count: number; now: Date; name?: string },
): Promise<ManyMachines> {
  const credentials = Array.from({ length: count }, () => newToken('companion'));
  const keys = credentials.map(() => generateEd25519().publicKeyBlob);
  const { rows } = await sql<{ id: string }>`
    with made as (
      insert into companions
        (organization_id, kind, name, address, port, host_key, credential_hash, enrolled_at)
      select ${organizationId}::uuid, 'gateway', ${name}::text || '-' || place, '192.0.2.1', 22, key, hash, ${now}
      from unnest(${keys}::bytea[], ${credentials.map(tokenHash)}::bytea[])
        with ordinality as each (key, hash, place)
      returning id, host_key
    ), serving as (
      insert into companion_environments (companion_id, environment_id)
      select id, ${environmentId}::uuid from made
    )
    select made.id from made join unnest(${keys}::bytea[]) with ordinality as each (key, place)
      on each.key = made.host_key order by place
  `.execute(db);
  return { companionIds: rows.map(({ id }) => id), credentials };
}
