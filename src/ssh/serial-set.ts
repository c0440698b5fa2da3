/**
 * The serials that one section of a revocation list revokes, in chunks whose encoding is kept: one serial more encodes
 * one chunk again, not the whole list. A set never changes; `change` makes a new one that shares the other chunks.
 *
 * Where a chunk ends is read off the serials themselves (as rsync and backup programs cut files), never off the order
 * in which they came. So equal sets are equal bytes, on every replica and whatever their history.
 */
import { encodeRuns, listHeader, type Piece } from './krl-serials.ts';
import {
  at,
  countUpTo,
  holdsSerial,
  joinRuns,
  runsOf,
  type SerialRange,
  type SerialRuns,
  sameRuns,
  sliceRuns,
  subtractRuns,
  uniteRuns,
} from './serial-ranges.ts';

interface Chunk {
  readonly runs: SerialRuns;
  /** Made when first asked for. */
  pieces?: readonly Piece[];
}

export interface SerialChange {
  readonly added?: readonly bigint[] | BigUint64Array;
  readonly addedRanges?: readonly SerialRange[];
  readonly removed?: readonly bigint[] | BigUint64Array;
}

/** 2^64 by the golden ratio: multiplying by it spreads serials, which may be dense, over all 64 bits. */
const spread = 0x9e37_79b9_7f4a_7c15n;
/** One start of a run in 4,096 begins a chunk. */
const chunkStartsBelow = 2n ** 64n / 4096n;

export class SerialSet {
  readonly #chunks: readonly Chunk[];
  /** First serial of each chunk. */
  readonly #starts: BigUint64Array;

  private constructor(chunks: readonly Chunk[]) {
    this.#chunks = chunks;
    this.#starts = BigUint64Array.from(chunks, ({ runs }) => at(runs.from, 0));
  }

  /** @throws krl_malformed for serial 0, one above 2^64 - 1, and a range that ends before it starts */
  static of(serials: readonly bigint[] | BigUint64Array, ranges: readonly SerialRange[] = []): SerialSet {
    return new SerialSet(chunksOf(runsOf(serials, ranges)));
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  has(serial: bigint): boolean {
    const chunk = this.#chunks[countUpTo(this.#starts, serial) - 1];
    return chunk !== undefined && holdsSerial(chunk.runs, serial);
  }

  /**
   * The set with some serials more and some fewer; what is in both lists is in the result.
   * @throws krl_malformed as of() does
   */
  change({ added = [], addedRanges = [], removed = [] }: SerialChange): SerialSet {
    const more = runsOf(added, addedRanges);
    const fewer = runsOf(removed);
    const chunks: Chunk[] = [];
    let untouched = 0;
    for (const { first, end } of this.#touchedBy(uniteRuns(more, fewer))) {
      for (const chunk of this.#chunks.slice(untouched, first)) chunks.push(chunk);
      const old = this.#chunks.slice(first, end);
      const within = (runs: SerialRuns) => this.#between(first, end, runs);
      const kept = subtractRuns(joinRuns(old.map(({ runs }) => runs)), within(fewer));
      for (const chunk of chunksOf(uniteRuns(kept, within(more)), old)) chunks.push(chunk);
      untouched = end;
    }
    for (const chunk of this.#chunks.slice(untouched)) chunks.push(chunk);
    return new SerialSet(chunks);
  }

  /** The sub-sections of a certificates section that name exactly these serials. */
  encode(): Buffer {
    const parts: Buffer[] = [];
    let list: Buffer[] = [];
    const flush = () => {
      if (list.length > 0) parts.push(listHeader(list.reduce((sum, { length }) => sum + length, 0)), ...list);
      list = [];
    };
    for (const chunk of this.#chunks) {
      chunk.pieces ??= encodeRuns(chunk.runs);
      for (const { isList, bytes } of chunk.pieces) {
        if (!isList) flush();
        (isList ? list : parts).push(bytes);
      }
    }
    flush();
    return Buffer.concat(parts);
  }

  /**
   * Which chunks may differ after a change of these serials: the one that each falls into, and its neighbours, because
   * a run may grow into the next chunk and a chunk that loses its first serial becomes part of the one before.
   */
  #touchedBy(runs: SerialRuns): { first: number; end: number }[] {
    const touched: { first: number; end: number }[] = [];
    for (const [index, from] of runs.from.entries()) {
      const first = Math.max(0, countUpTo(this.#starts, from) - 2);
      const end = Math.min(this.#chunks.length, countUpTo(this.#starts, at(runs.to, index)) + 1);
      const last = touched.at(-1);
      if (last !== undefined && first <= last.end) last.end = Math.max(last.end, end);
      else touched.push({ first, end });
    }
    return touched;
  }

  /** The runs that belong to chunks `first` to `end`; none lies across their borders, see #touchedBy. */
  #between(first: number, end: number, runs: SerialRuns): SerialRuns {
    const border = this.#starts[end];
    const start = first === 0 ? 0 : countUpTo(runs.from, at(this.#starts, first) - 1n);
    return sliceRuns(
      runs,
      start,
      border === undefined ? runs.from.length : countUpTo(runs.from, border - 1n),
    );
  }
}

/** Chunks of `old` that come out the same are used again, with their encoding. */
function chunksOf(runs: SerialRuns, old: readonly Chunk[] = []): Chunk[] {
  const chunks: Chunk[] = [];
  let start = 0;
  for (let end = 1; end <= runs.from.length; end++) {
    if (end < runs.from.length && !beginsChunk(at(runs.from, end))) continue;
    const part = sliceRuns(runs, start, end);
    chunks.push(old.find((chunk) => sameRuns(chunk.runs, part)) ?? { runs: part });
    start = end;
  }
  return chunks;
}

function beginsChunk(serial: bigint): boolean {
  return BigInt.asUintN(64, serial * spread) < chunkStartsBelow;
}
