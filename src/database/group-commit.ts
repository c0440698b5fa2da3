/**
 * Group commit. Requests that come together share one transaction: its round trips, and the one flush to disk at its
 * end, which costs as much for sixty-four as for one. Nobody waits for company: whoever finds no group under way goes at
 * once, and those who come meanwhile make up the next group.
 *
 * A group promises each of its items what a transaction of its own would: its result is handed out only after the
 * commit, its refusal is no matter of its neighbours', and if the group fails as a whole, everybody is tried again alone.
 */
import { setTimeout as rest } from 'node:timers/promises';
import type { Database, Tx } from './database.ts';
import { inTransaction } from './transaction.ts';

/** What became of an item: it has its result, it was refused and has written nothing, or it needs a transaction of its own. */
export type Outcome<Result> =
  | { readonly result: Result }
  | { readonly error: unknown }
  | { readonly retry: 'alone' };

export interface GroupWork {
  /**
   * Whether this may wait for locks that others hold for long. A group must not, since all its members' locks would be
   * held meanwhile: an item that can't go on without waiting is to be retried alone.
   */
  readonly mayWait: boolean;
}

export interface GroupCommitOptions<Item, Result> {
  readonly db: Database;
  /** Items of the same line go one after the other, in the order they came, and never in one group. */
  readonly lineOf: (item: Item) => string;
  /**
   * Does the work of all items and says what became of each. If it throws, all of it is rolled back. It must be
   * repeatable: after a lost connection the commit may have come about.
   */
  readonly work: (
    tx: Tx,
    items: readonly Item[],
    how: GroupWork,
  ) => Promise<ReadonlyMap<Item, Outcome<Result>>>;
  /** Items in one group at most. */
  readonly largest?: number;
  /** How long to wait for more after a group of several: where a crowd comes, fewer groups are better than early ones. */
  readonly restMilliseconds?: number;
  /** Transactions at once of items that are on their own; each may hold a connection for as long as a lock is awaited. */
  readonly mostAlone?: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/**
 * Returns the function that has one item done: it resolves once the item is committed.
 * @throws what `work` threw or found for this item; database_unavailable, after which it may have been committed
 */
export function createGroupCommit<Item, Result>(
  options: GroupCommitOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  const { db, lineOf, work, largest = 64, mostAlone = 4, restMilliseconds = 0 } = options;
  /** Who stands behind the item of this line that is ready or under way. */
  const lines = new Map<string, Waiting<Item, Result>[]>();
  const ready: Waiting<Item, Result>[] = [];
  const toGoAlone: Waiting<Item, Result>[] = [];
  let groupUnderWay = false;
  let aloneUnderWay = 0;

  function start(): void {
    if (!groupUnderWay && ready.length > 0) {
      groupUnderWay = true;
      const group = ready.splice(0, largest);
      void commitGroup(group).then(async () => {
        if (group.length > 1 && restMilliseconds > 0) await rest(restMilliseconds);
        groupUnderWay = false;
        start();
      });
    }
    while (aloneUnderWay < mostAlone) {
      const waiting = toGoAlone.shift();
      if (waiting === undefined) break;
      aloneUnderWay += 1;
      void commitAlone(waiting).then(() => {
        aloneUnderWay -= 1;
        start();
      });
    }
  }

  async function commitGroup(group: readonly Waiting<Item, Result>[]): Promise<void> {
    const items = group.map(({ item }) => item);
    const outcomes = await inTransaction(db, (tx) => work(tx, items, { mayWait: false })).catch(
      // Whose fault it was nobody knows. One on its own has no neighbours to spoil it, so that is its answer.
      (error): undefined | Map<Item, Outcome<Result>> =>
        group.length > 1 ? undefined : new Map(items.map((item) => [item, { error }])),
    );
    for (const waiting of group) settle(waiting, outcomes?.get(waiting.item) ?? { retry: 'alone' });
  }

  async function commitAlone(waiting: Waiting<Item, Result>): Promise<void> {
    const { item } = waiting;
    const outcome = await inTransaction(db, async (tx) => {
      const found = (await work(tx, [item], { mayWait: true })).get(item);
      // Thrown inside, so that nothing of a refused item stays.
      if (found === undefined || 'retry' in found) throw new Error('an item on its own was not decided');
      if ('error' in found) throw found.error;
      return found;
    }).catch((error): Outcome<Result> => ({ error }));
    settle(waiting, outcome);
  }

  function settle(waiting: Waiting<Item, Result>, outcome: Outcome<Result>): void {
    if ('retry' in outcome) {
      toGoAlone.push(waiting);
      return;
    }
    if ('error' in outcome) waiting.reject(outcome.error);
    else waiting.resolve(outcome.result);
    const line = lineOf(waiting.item);
    const next = lines.get(line)?.shift();
    if (next === undefined) lines.delete(line);
    else ready.push(next);
  }

  return (item) => {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const waiting = { item, resolve, reject };
    const line = lineOf(item);
    const before = lines.get(line);
    if (before !== undefined) before.push(waiting);
    else {
      lines.set(line, []);
      ready.push(waiting);
      start();
    }
    return promise;
  };
}

/** The items of one group on their way through the steps of its work. */
export class Outcomes<Item, Result> {
  readonly #settled = new Map<Item, Outcome<Result>>();

  /** What became of those that are through. */
  get settled(): ReadonlyMap<Item, Outcome<Result>> {
    return this.#settled;
  }

  /** Returns nothing, which is what is known of it from then on. */
  settle(item: Item, outcome: Outcome<Result>): undefined {
    this.#settled.set(item, outcome);
  }

  /**
   * Takes each item one step further, from what is known of it to what is known then. An item whose step throws is
   * refused with that error, one that its step settles goes no further, and the others go on.
   */
  step<Before, After>(
    before: ReadonlyMap<Item, Before>,
    work: (known: Before, item: Item) => After | undefined,
  ): Map<Item, After> {
    const after = new Map<Item, After>();
    for (const [item, known] of before) {
      try {
        const next = work(known, item);
        if (next !== undefined) after.set(item, next);
      } catch (error) {
        this.settle(item, { error });
      }
    }
    return after;
  }
}
