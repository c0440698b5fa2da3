/** A machine as its enrolment recorded it: the only source of what certificates say about it. */
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface EnrolledMachine {
  readonly organizationId: string;
  readonly kind: 'gateway' | 'host';
  readonly name: string;
  /** Where it is seen to come from: an IP address, or a host name where nobody has said one. */
  readonly sourceAddress: string;
  /** Blob of its SSH host key. */
  readonly hostKey: Buffer;
  /** Hosts: the targets on it. A gateway stands in front of its targets and is none of them. */
  readonly targetNames: readonly string[];
}

/**
 * Reads the machine and locks it, so that two readers do not both renew its certificate.
 * @throws enrolment_refused
 */
export async function lockEnrolledMachine(tx: Tx, companionId: string): Promise<EnrolledMachine> {
  const row = await tx
    .selectFrom('companions')
    .select(['organization_id', 'kind', 'name', 'address', 'source_address', 'host_key', 'revoked_at'])
    .where('id', '=', companionId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!row?.host_key || row.revoked_at) {
    throw new SallyportError(
      'enrolment_refused',
      'This machine is not enrolled, or was revoked. Ask an admin for a new enrolment token.',
    );
  }
  const { organization_id: organizationId, kind, name, host_key: hostKey } = row;
  const sourceAddress = row.source_address ?? row.address.toLowerCase();
  const targetNames = kind === 'host' ? await targetsOn(tx, companionId) : [];
  return { organizationId, kind, name, sourceAddress, hostKey, targetNames };
}

async function targetsOn(tx: Tx, hostId: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('instances')
    .select('target_name')
    .where('host_id', '=', hostId)
    .orderBy('target_name')
    .execute();
  return rows.map((row) => row.target_name);
}
