/**
 * Whether a signer that failed should be asked again. After some failures in a row nobody asks it for a while, so that
 * callers hear at once what they would have waited for, and a signer in trouble gets rest; then one call tries it out.
 */
export interface CircuitBreakerOptions {
  readonly failuresInARow: number;
  readonly pauseMilliseconds: number;
}

export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  #failures = 0;
  #closedUntil = 0;
  #isTryingOut = false;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
  }

  /** Whether a call at this time would be let through. @param now milliseconds of a clock that never goes back */
  wouldAdmit(now: number): boolean {
    if (this.#failures < this.#options.failuresInARow) return true;
    return now >= this.#closedUntil && !this.#isTryingOut;
  }

  /** Lets a call through, or not; whoever is let through tells how it ended. */
  admit(now: number): boolean {
    if (!this.wouldAdmit(now)) return false;
    this.#isTryingOut = this.#failures >= this.#options.failuresInARow;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#isTryingOut = false;
  }

  failed(now: number): void {
    this.#failures += 1;
    this.#isTryingOut = false;
    this.#closedUntil = now + this.#options.pauseMilliseconds;
  }
}
