/** What the companion decides from, kept in memory: the checked state, what else is known to have ended, and when the CA was heard. */
import type { CheckedState } from './check-state.ts';
import type { Facts } from './decide-offer.ts';

export interface Basis {
  readonly checked: CheckedState;
  readonly facts: Facts;
}

export interface DecisionBasisOptions {
  readonly nowSeconds: () => number;
  /** Nobody gets in when the CA was not heard of for so long; null: the last state counts for ever. */
  readonly maximumStalenessSeconds: number | null;
}

export class DecisionBasis {
  readonly #options: DecisionBasisOptions;
  readonly #endedElsewhere = new Set<string>();
  #checked: CheckedState | undefined;
  #heardAtSeconds = 0;

  constructor(options: DecisionBasisOptions) {
    this.#options = options;
  }

  /** From now on decisions are made from this state. */
  use(checked: CheckedState): void {
    this.#checked = checked;
  }

  /** Sessions that the CA called ended before a state said so. */
  noteEnded(sessionIds: readonly string[]): void {
    for (const sessionId of sessionIds) this.#endedElsewhere.add(sessionId);
  }

  noteHeard(atSeconds: number): void {
    this.#heardAtSeconds = atSeconds;
  }

  /** For ending connections: however old the state is, what it forbids is forbidden. Undefined if there is none. */
  forEnding(): Basis | undefined {
    const checked = this.#checked;
    if (checked === undefined) return undefined;
    const endedSessions = new Set([...checked.state.ended_sessions, ...this.#endedElsewhere]);
    return {
      checked,
      facts: { state: checked.state, endedSessions, nowSeconds: this.#options.nowSeconds() },
    };
  }

  /** For letting somebody in: undefined also if the state is too old. */
  forAdmission(): Basis | undefined {
    return this.#isStale() ? undefined : this.forEnding();
  }

  #isStale(): boolean {
    const { maximumStalenessSeconds, nowSeconds } = this.#options;
    return maximumStalenessSeconds !== null && nowSeconds() - this.#heardAtSeconds > maximumStalenessSeconds;
  }
}
