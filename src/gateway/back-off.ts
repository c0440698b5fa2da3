/**
 * How long a companion waits before it asks the CA again: all of it random ("full jitter"), so that those who lost their
 * server together do not come back together. Pure.
 *
 * - After a stream that was open: within what the server said (`retry:` of server-sent events), which it makes longer the
 *   more companions it holds.
 * - After one failure more: within twice the time, until `longestMilliseconds`. Short, for whoever is away may be late
 *   for a revocation.
 * - Told to come back later (429 or 503 with Retry-After): not before that time, and within as much again, twice as much
 *   at every refusal, until sixteen minutes.
 */
export interface Pauses {
  readonly firstMilliseconds: number;
  readonly longestMilliseconds: number;
}

export const usualPauses: Pauses = { firstMilliseconds: 250, longestMilliseconds: 30_000 };
export const longestRefusedMilliseconds = 16 * 60_000;

export class BackOff {
  readonly #pauses: Pauses;
  #failures = 0;
  #refusals = 0;
  #refusedFor: number | undefined;
  #returnWithin = 0;

  constructor(pauses: Pauses = usualPauses) {
    this.#pauses = pauses;
  }

  /** The server wants to be asked less: there is no point in asking it another way. */
  get isRefused(): boolean {
    return this.#refusedFor !== undefined;
  }

  /** Whether the last stream did not open. */
  get hasFailed(): boolean {
    return this.#failures > 0;
  }

  /** A stream is open. */
  opened(): void {
    this.#failures = 0;
    this.#refusals = 0;
    this.#refusedFor = undefined;
  }

  /** What the server says for the case that the stream breaks. */
  returnWithin(milliseconds: number): void {
    this.#returnWithin = Math.min(milliseconds, longestRefusedMilliseconds);
  }

  /** @param seconds of Retry-After */
  refused(seconds: number): void {
    this.#refusedFor = Math.min(Math.max(0, seconds) * 1000, longestRefusedMilliseconds);
    this.#refusals += 1;
  }

  /** It could not be asked at all, or is out of order. */
  unreachable(): void {
    this.#refusedFor = undefined;
  }

  /** Before the next try. @param random from 0 to below 1 */
  next(random: number): number {
    const { firstMilliseconds, longestMilliseconds } = this.#pauses;
    const doubled = 2 ** Math.min(this.#failures, 20);
    this.#failures += 1;
    if (this.#refusedFor !== undefined) {
      const more = this.#refusedFor * 2 ** Math.min(this.#refusals - 1, 20);
      return Math.min(this.#refusedFor + random * more, longestRefusedMilliseconds);
    }
    const first = Math.max(firstMilliseconds, this.#returnWithin);
    return random * Math.min(Math.max(longestMilliseconds, this.#returnWithin), first * doubled);
  }
}
