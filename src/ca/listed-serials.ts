/**
 * The revoked serials of one version of the list, kept for the next: that reads only the rows which are new, and the
 * sets encode only what changed. Values do not change.
 */
import type { Database } from '../database/database.ts';
import { type RevokedSerial, revokedSerials, revokedStock } from '../revocation/revoked-serials.ts';
import { SerialSet } from '../ssh/serial-set.ts';

export interface ListedSerials {
  readonly version: bigint;
  /** Serials of all keys. */
  readonly count: number;
  readonly byKey: ReadonlyMap<string, SerialsOfKey>;
}

interface SerialsOfKey {
  readonly set: SerialSet;
  /** In no order, each with its certificate's end in unix milliseconds. */
  readonly serials: BigUint64Array;
  readonly ends: Float64Array;
}

const none: SerialsOfKey = {
  set: SerialSet.of([]),
  serials: new BigUint64Array(0),
  ends: new Float64Array(0),
};

/**
 * @param db a snapshot in which the list's version is `version`
 * @param before an earlier answer
 */
export async function readListedSerials(
  db: Database,
  version: bigint,
  before?: ListedSerials,
): Promise<ListedSerials> {
  if (before !== undefined && before.version <= version) {
    const now = await advance(db, version, before);
    if (now !== undefined) return now;
  }
  const serials = await revokedSerials(db);
  const byKey = new Map<string, SerialsOfKey>();
  for (const [id, added] of byCaKey(serials)) byKey.set(id, changed(none, added, Number.NEGATIVE_INFINITY));
  return { version, count: serials.length, byKey };
}

/**
 * New rows have newer versions. Rows leave only by pruning, which takes what ends before some moment and so before
 * everything that is left. Should the database hold anything else, the count differs: then undefined.
 */
async function advance(
  db: Database,
  version: bigint,
  before: ListedSerials,
): Promise<ListedSerials | undefined> {
  const added = byCaKey(await revokedSerials(db, before.version));
  const { count, firstEnd } = await revokedStock(db);
  const keptFrom = firstEnd?.getTime() ?? Number.POSITIVE_INFINITY;
  const byKey = new Map<string, SerialsOfKey>();
  let known = 0;
  for (const id of new Set([...before.byKey.keys(), ...added.keys()])) {
    const now = changed(before.byKey.get(id) ?? none, added.get(id) ?? [], keptFrom);
    known += now.serials.length;
    if (now.serials.length > 0) byKey.set(id, now);
  }
  return known === count ? { version, count, byKey } : undefined;
}

function changed(before: SerialsOfKey, added: readonly RevokedSerial[], keptFrom: number): SerialsOfKey {
  const { set, serials, ends } = before.ends.some((end) => end < keptFrom)
    ? pruned(before, keptFrom)
    : before;
  if (added.length === 0) return { set, serials, ends };
  const newSerials = BigUint64Array.from(added, ({ serial }) => serial);
  const all = {
    serials: new BigUint64Array(serials.length + added.length),
    ends: new Float64Array(ends.length + added.length),
  };
  all.serials.set(serials);
  all.serials.set(newSerials, serials.length);
  all.ends.set(ends);
  all.ends.set(
    added.map(({ validBefore }) => validBefore.getTime()),
    ends.length,
  );
  return { set: set.change({ added: newSerials }), ...all };
}

function pruned({ set, serials, ends }: SerialsOfKey, keptFrom: number): SerialsOfKey {
  const isKept = (index: number) => (ends[index] ?? 0) >= keptFrom;
  return {
    set: set.change({ removed: serials.filter((_, index) => !isKept(index)) }),
    serials: serials.filter((_, index) => isKept(index)),
    ends: ends.filter((end) => end >= keptFrom),
  };
}

function byCaKey(serials: readonly RevokedSerial[]): Map<string, RevokedSerial[]> {
  return Map.groupBy(serials, ({ caKeyId }) => caKeyId);
}
