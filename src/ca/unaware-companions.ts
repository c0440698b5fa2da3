/** Machines that have not taken in a change of a CA key. */
import type { Database } from '../database/database.ts';
import { enrolledCompanions } from '../inventory/companion.ts';
import { type UnawareCompanion, unawareOf } from './decide-rotation.ts';
import type { Purpose } from './issuing.ts';

/** Those in use that trust the purpose's keys and have not acknowledged `stateVersion`. */
export async function unawareCompanions(
  db: Database,
  change: { readonly purpose: Purpose; readonly stateVersion: bigint },
  now: Date,
): Promise<UnawareCompanion[]> {
  const companions = (await enrolledCompanions(db)).map(({ acknowledged, ...companion }) => ({
    ...companion,
    lastSeenAt: companion.lastSeenAt ?? companion.enrolledAt,
    acknowledgedVersion: acknowledged?.version ?? null,
  }));
  return unawareOf(change, companions, now);
}
