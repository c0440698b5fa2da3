/** What the companion decides from, kept in memory: the checked state, what else is known to have ended, and how old all that is. */
import type { CheckedState } from './check-state.ts';
import type { Facts } from './decide-offer.ts';
import { TrustedAge, type WhenStale } from './trusted-age.ts';

export interface Basis {
  readonly checked: CheckedState;
  readonly facts: Facts;
}

export interface DecisionBasisOptions {
  readonly nowSeconds: () => number;
  /** The CA may be unheard for so long; null: for ever. */
  readonly maximumStalenessSeconds: number | null;
  /** What happens then; absent: deny. */
  readonly whenStale?: WhenStale;
  /** Whether nobody gets in while the clock is wrong. */
  readonly refuseByClock?: boolean;
  readonly monotonicSeconds?: () => number;
  readonly opensLoopback?: boolean;
}

export class DecisionBasis {
  readonly age: TrustedAge;
  readonly #nowSeconds: () => number;
  readonly #opensLoopback: boolean;
  readonly #endedElsewhere = new Set<string>();
  #checked: CheckedState | undefined;

  constructor(options: DecisionBasisOptions) {
    const { nowSeconds, maximumStalenessSeconds, whenStale = 'deny', refuseByClock = false } = options;
    this.#nowSeconds = nowSeconds;
    this.#opensLoopback = options.opensLoopback ?? false;
    this.age = new TrustedAge({
      rule: { maximumSeconds: maximumStalenessSeconds, whenStale },
      refuseByClock,
      nowSeconds,
      monotonicSeconds: options.monotonicSeconds ?? (() => performance.now() / 1_000),
    });
  }

  /** From now on decisions are made from this state. */
  use(checked: CheckedState): void {
    this.#checked = checked;
  }

  /** Sessions that the CA called ended before a state said so. */
  noteEnded(sessionIds: readonly string[]): void {
    for (const sessionId of sessionIds) this.#endedElsewhere.add(sessionId);
  }

  /** For ending connections: however old the state is, what it forbids is forbidden. Undefined if there is none. */
  forEnding(): Basis | undefined {
    const checked = this.#checked;
    if (checked === undefined) return undefined;
    const endedSessions = new Set([...checked.state.ended_sessions, ...this.#endedElsewhere]);
    const { state } = checked;
    const nowSeconds = this.#nowSeconds();
    return { checked, facts: { state, endedSessions, nowSeconds, opensLoopback: this.#opensLoopback } };
  }

  /** For letting somebody in: says also whether nobody is, because the state is too old or the clock wrong. */
  forAdmission(): Basis | undefined {
    const basis = this.forEnding();
    const nobody = this.age.whyNobody();
    return basis && nobody ? { ...basis, facts: { ...basis.facts, nobody } } : basis;
  }
}
