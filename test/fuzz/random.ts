/** Repeatable randomness (mulberry32): the same seed gives the same run. */
export interface Random {
  /** 0 to `limit` - 1; 0 for a limit of 0. */
  below(limit: number): number;
  /** Any element of a list that is not empty. */
  pick<Item>(items: readonly Item[]): Item;
  bytes(length: number): Buffer;
}

/** @param seed 32 bits count */
export function randomFrom(seed: number): Random {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number) => (limit <= 0 ? 0 : next() % limit);
  return {
    below,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  };
}
