/**
 * Whether identity providers' streams of security events still flow. A stream that has fallen silent looks like one where
 * nothing happens, so transmitters verify it now and then (SSF 1.0 section 7.1.4); one that stops doing so raises an alarm.
 */
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';

/** A verification that has not come for this long. */
export const silentSeconds = 86_400;

export async function noteHeard(
  tx: Tx,
  { provider, verified }: { readonly provider: string; readonly verified: boolean },
  now: Date,
): Promise<void> {
  const proof = verified ? { verified_at: now, stalled_at: null } : {};
  await tx
    .insertInto('security_event_streams')
    .values({ provider_slug: provider, heard_at: now, ...proof })
    .onConflict((conflict) => conflict.column('provider_slug').doUpdateSet({ heard_at: now, ...proof }))
    .execute();
}

export interface StalledStream {
  readonly provider: string;
  /** Unix seconds; null: never. */
  readonly verified_at: number | null;
}

/** Those that have fallen silent since somebody looked last; each is told once until it is verified again. */
export async function findStalledStreams(db: Database, now: Date): Promise<StalledStream[]> {
  const since = new Date(now.getTime() - silentSeconds * 1000);
  return await inTransaction(db, async (tx) => {
    const rows = await tx
      .updateTable('security_event_streams')
      .set({ stalled_at: now })
      .where('stalled_at', 'is', null)
      .where((where) => where(where.fn.coalesce('verified_at', 'heard_at'), '<', since))
      .where((where) =>
        where.or([
          where.not(
            where.exists(
              where.selectFrom('identity_providers').select('slug').whereRef('slug', '=', 'provider_slug'),
            ),
          ),
          where.exists(
            where
              .selectFrom('identity_providers')
              .select('slug')
              .whereRef('slug', '=', 'provider_slug')
              .where('enabled', '=', true),
          ),
        ]),
      )
      .returning(['provider_slug', 'verified_at'])
      .execute();
    const stalled = rows.map(({ provider_slug: provider, verified_at }) => ({
      provider,
      verified_at: verified_at === null ? null : Math.floor(verified_at.getTime() / 1000),
    }));
    for (const facts of stalled) await recordEvent(tx, { event: 'security_events.stalled', facts });
    return stalled;
  });
}
