/**
 * Something of somebody else's that is read rarely and needed often: a discovery document, a set of keys. It is renewed
 * in the background while it is still good, so that nobody waits, and outlives an absence of its source by a while.
 */
export interface KeptOptions<T> {
  readonly load: () => Promise<T>;
  /** Older than this, it is renewed in the background. */
  readonly freshSeconds: number;
  /** Older than this, it is no longer used. */
  readonly goodSeconds: number;
  readonly clock: () => Date;
}

export interface Kept<T> {
  /** @throws what `load` throws if nothing good is at hand */
  get(): Promise<T>;
  /** Reads it now, one reading for all who want it at this moment. @throws what `load` throws */
  reload(): Promise<T>;
  /**
   * Reads it now, so that an absence is noticed. Beyond thirty readings, and one more every two seconds, it tells what
   * came of the last one: whoever makes us ask must not make us a flood. @throws what `load` throws
   */
  checked(): Promise<T>;
  /** What there is when it has been read again; at most every half minute, however often this is called. */
  renewed(): Promise<T>;
}

const pauseMilliseconds = 30_000;
const readingsAtOnce = 30;
const readingEveryMilliseconds = 2_000;

export function keep<T>({ load, freshSeconds, goodSeconds, clock }: KeptOptions<T>): Kept<T> {
  let found: { readonly value: T; readonly at: number } | undefined;
  let loading: Promise<T> | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;
  let renewedAt = Number.NEGATIVE_INFINITY;
  /** Why the last reading failed; undefined if it did not. */
  let failure: { readonly error: unknown } | undefined;
  let readingsLeft = readingsAtOnce;
  let countedAt = Number.NEGATIVE_INFINITY;

  /** One at a time, for everybody who wants it. */
  const loadOnce = (): Promise<T> => {
    const at = clock().getTime();
    triedAt = at;
    loading ??= load()
      .then((value) => {
        found = { value, at };
        failure = undefined;
        return value;
      })
      .catch((error: unknown) => {
        failure = { error };
        throw error;
      })
      .finally(() => {
        loading = undefined;
      });
    return loading;
  };

  const good = (now: number) => (found && now - found.at < goodSeconds * 1000 ? found : undefined);

  return {
    async get() {
      const now = clock().getTime();
      const kept = good(now);
      if (kept === undefined) return await loadOnce();
      const due = now - kept.at >= freshSeconds * 1000 && now - triedAt >= pauseMilliseconds;
      // Whoever needs it once it is no longer good is told what is wrong.
      if (due) loadOnce().catch(() => undefined);
      return kept.value;
    },
    reload: loadOnce,
    async checked() {
      const now = clock().getTime();
      const earned = Math.max(0, (now - countedAt) / readingEveryMilliseconds);
      readingsLeft = Math.min(readingsAtOnce, readingsLeft + earned);
      countedAt = now;
      if (loading === undefined && readingsLeft < 1) {
        if (failure) throw failure.error;
        const kept = good(now);
        if (kept) return kept.value;
      }
      if (loading === undefined) readingsLeft -= 1;
      return await loadOnce();
    },
    async renewed() {
      const now = clock().getTime();
      const kept = good(now);
      if (kept !== undefined && now - renewedAt < pauseMilliseconds && loading === undefined)
        return kept.value;
      renewedAt = now;
      return await loadOnce().catch((error) => {
        if (kept === undefined) throw error;
        return kept.value;
      });
    },
  };
}
