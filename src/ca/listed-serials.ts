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

export interface SerialsOfKey {
  readonly set: SerialSet;
  /** In no order, each with its certificate's end in unix milliseconds. */
  readonly serials: BigUint64Array;
  readonly ends: Float64Array;
  /** The number of the account whose each is; 0: nobody's. */
  readonly accounts: Int32Array;
}

const none: SerialsOfKey = {
  set: SerialSet.of([]),
  serials: new BigUint64Array(0),
  ends: new Float64Array(0),
  accounts: new Int32Array(0),
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
  const kept = before.ends.some((end) => end < keptFrom) ? pruned(before, keptFrom) : before;
  if (added.length === 0) return kept;
  const newSerials = BigUint64Array.from(added, ({ serial }) => serial);
  const old = kept.serials.length;
  const all = {
    serials: new BigUint64Array(old + added.length),
    ends: new Float64Array(old + added.length),
    accounts: new Int32Array(old + added.length),
  };
  all.serials.set(kept.serials);
  all.serials.set(newSerials, old);
  all.ends.set(kept.ends);
  all.ends.set(
    added.map(({ validBefore }) => validBefore.getTime()),
    old,
  );
  all.accounts.set(kept.accounts);
  all.accounts.set(
    added.map(({ account }) => account ?? 0),
    old,
  );
  return { set: kept.set.change({ added: newSerials }), ...all };
}

function pruned({ set, serials, ends, accounts }: SerialsOfKey, keptFrom: number): SerialsOfKey {
  const isKept = (index: number) => (ends[index] ?? 0) >= keptFrom;
  return {
    set: set.change({ removed: serials.filter((_, index) => !isKept(index)) }),
    serials: serials.filter((_, index) => isKept(index)),
    ends: ends.filter((end) => end >= keptFrom),
    accounts: accounts.filter((_, index) => isKept(index)),
  };
}

function byCaKey(serials: readonly RevokedSerial[]): Map<string, RevokedSerial[]> {
  return Map.groupBy(serials, ({ caKeyId }) => caKeyId);
}
