/**
 * How far this machine may believe its own state and its own clock, pure but for what it is told: when the CA was heard
 * last, and what time it was there.
 */
import { type Reason, reason } from '../policy/reasons.ts';

/** What is done when the CA was not heard of for too long (OPENSSH.md rules 4 and 11, docs/companion.md). */
export const staleChoices = ['deny', 'strict', 'keep'] as const;
/** deny: everybody is refused, with a reason. strict: sshd itself trusts no CA either. keep: the last state counts on. */
export type WhenStale = (typeof staleChoices)[number];

export interface StalenessRule {
  /** null: the last state counts for ever. */
  readonly maximumSeconds: number | null;
  readonly whenStale: WhenStale;
}

/** Of a silence between two signs of the CA no more counts as time in which it was heard; it gives one each 15 s. */
const longestGapSeconds = 20;

/** The clocks of CA and companion may differ by so much before an admin is told. */
export const clockToleranceSeconds = 300;

export interface TrustedAgeOptions {
  readonly rule: StalenessRule;
  /** Refuse logins, too, while the clock is wrong. */
  readonly refuseByClock: boolean;
  readonly nowSeconds: () => number;
  /** A clock that nobody sets: seconds since any moment. */
  readonly monotonicSeconds: () => number;
}

export class TrustedAge {
  readonly #options: TrustedAgeOptions;
  #heardAtSeconds = 0;
  #heardMonotonic: number | undefined;
  #heardForSeconds = 0;
  /** The CA's clock at a moment of ours. */
  #compared: { readonly theirs: number; readonly monotonic: number } | undefined;
  /** Of a state on disk: it was made at this time, so now is later. */
  #atLeast = 0;

  constructor(options: TrustedAgeOptions) {
    this.#options = options;
  }

  /** Whatever came from the CA just now. */
  noteHeard(): void {
    const now = this.#options.monotonicSeconds();
    this.#heardForSeconds += Math.min(now - (this.#heardMonotonic ?? now), longestGapSeconds);
    this.#heardAtSeconds = this.#options.nowSeconds();
    this.#heardMonotonic = now;
  }

  /** A clock that stands while the CA is not heard. */
  get heardForSeconds(): number {
    return this.#heardForSeconds;
  }

  /** What an earlier companion had heard. */
  noteSaved(generatedAtSeconds: number): void {
    this.#heardAtSeconds = Math.max(this.#heardAtSeconds, generatedAtSeconds);
    this.#atLeast = Math.max(this.#atLeast, generatedAtSeconds);
  }

  /** A document that the CA made just now. */
  noteTheirClock(seconds: number): void {
    this.#compared = { theirs: seconds, monotonic: this.#options.monotonicSeconds() };
  }

  get heardAtSeconds(): number {
    return this.#heardAtSeconds;
  }

  /** Seconds since the CA was heard, by whichever clock says more: one is set by people, the other stands while suspended. */
  silenceSeconds(): number {
    const { nowSeconds, monotonicSeconds } = this.#options;
    const byOurClock = nowSeconds() - this.#heardAtSeconds;
    if (this.#heardMonotonic === undefined) return byOurClock;
    return Math.max(byOurClock, monotonicSeconds() - this.#heardMonotonic);
  }

  isStale(): boolean {
    const { maximumSeconds } = this.#options.rule;
    return maximumSeconds !== null && this.silenceSeconds() > maximumSeconds;
  }

  /** By how much this clock is ahead of the CA's; negative: behind. Zero while nothing is known. */
  skewSeconds(): number {
    const now = this.#options.nowSeconds();
    if (this.#compared) {
      const { theirs, monotonic } = this.#compared;
      return Math.round(now - theirs - (this.#options.monotonicSeconds() - monotonic));
    }
    return Math.min(0, now - this.#atLeast);
  }

  isClockWrong(): boolean {
    return Math.abs(this.skewSeconds()) > clockToleranceSeconds;
  }

  /** Why nobody is let in now, whoever it is; undefined if nothing keeps people out. */
  whyNobody(): Reason | undefined {
    const { rule, refuseByClock } = this.#options;
    if (rule.whenStale !== 'keep' && this.isStale()) {
      return reason('machine_stale', Math.round(this.silenceSeconds()));
    }
    if (refuseByClock && this.isClockWrong()) return reason('machine_clock', Math.abs(this.skewSeconds()));
    return undefined;
  }
}
