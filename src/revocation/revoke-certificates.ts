import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';
import { graceMilliseconds } from './revoked-serials.ts';
import { bumpStateVersion } from './state-version.ts';

export type RevocationScope =
  | { readonly sessionIds: readonly string[] }
  | { readonly companionId: string }
  | { readonly serials: readonly bigint[] };

/** Reasons that say nothing of the key: what was certified is not so any more, or the machine it was for is gone. */
export const reasonsBesideKey = { untrue: 'no longer true', machineGone: 'companion revoked' } as const;

export interface Revocation {
  /** The state version that carries it. */
  readonly version: bigint;
  /** Serials revoked by this call; those that were revoked before are not among them. */
  readonly serials: readonly bigint[];
}

/**
 * Revokes every stored certificate in `scope` that is still in its time (or left it within the last hour: clocks
 * differ), signed or not. A certificate stored by a transaction that has not committed is not seen: whoever issues and
 * whoever revokes first lock the same session row.
 */
export async function revokeCertificates(
  tx: Tx,
  scope: RevocationScope,
  reason: string,
  now: Date,
): Promise<Revocation> {
  const version = await bumpStateVersion(tx, now, { krl: true });
  const rows = await tx
    .insertInto('revoked_serials')
    .columns(['serial', 'ca_key_id', 'version', 'valid_before', 'reason', 'account_number'])
    .expression((from) => {
      const inTime = from
        .selectFrom('certificates')
        .leftJoin('accounts', 'accounts.id', 'certificates.account_id')
        .select([
          'serial',
          'ca_key_id',
          sql<string>`${version}::bigint`.as('version'),
          'valid_before',
          sql<string>`${reason}::text`.as('reason'),
          'accounts.gateway_uid',
        ])
        .where('valid_before', '>', new Date(now.getTime() - graceMilliseconds));
      if ('sessionIds' in scope) {
        return inTime.where('session_id', '=', sql<string>`any(${[...scope.sessionIds]}::uuid[])`);
      }
      if ('companionId' in scope) return inTime.where('companion_id', '=', scope.companionId);
      return inTime.where('serial', 'in', scope.serials.length > 0 ? scope.serials.map(String) : ['0']);
    })
    .onConflict((conflict) => conflict.column('serial').doNothing())
    .returning('serial')
    .execute();
  return { version, serials: rows.map((row) => BigInt(row.serial)).sort((a, b) => (a < b ? -1 : 1)) };
}
