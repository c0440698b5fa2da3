/**
 * Connections that came and went without the CA hearing of it: while it was away, or had a report to answer. Each is told
 * of once more as if it lived, so that there is a record of it; the next report ends it.
 */
import type { ConnectionReport } from '../api/companions.ts';

export type Reported = ConnectionReport['connections'][number];

/** While the CA is away for long the last ones are kept for it; sshd's log has all. */
const mostKept = 1_000;

export class UntoldConnections {
  /** What the CA last heard of those that live, by key. */
  readonly #heard = new Map<string, string>();
  readonly #kept = new Map<string, Reported>();

  /** It is no more. */
  noteGone(last: Reported): void {
    const { key } = last;
    if (this.#heard.get(key) !== useOf(last)) this.#kept.set(key, last);
    this.#heard.delete(key);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > mostKept && oldest !== undefined) this.#kept.delete(oldest);
  }

  /** @returns whether the CA has to hear now that some of those in the report are gone */
  noteHeard(report: readonly Reported[], isLive: (key: string) => boolean): boolean {
    const before = this.#kept.size;
    for (const one of report) {
      if (isLive(one.key)) this.#heard.set(one.key, useOf(one));
      const last = this.#kept.get(one.key);
      if (last && useOf(last) === useOf(one)) this.#kept.delete(one.key);
    }
    return this.#kept.size < before;
  }

  has(key: string): boolean {
    return this.#kept.has(key);
  }

  all(): Reported[] {
    return [...this.#kept.values()];
  }

  /** The CA does not take them: the past must not keep it from hearing of the present. */
  drop(): void {
    this.#kept.clear();
  }
}

/** What makes an event of its own where it changes. */
function useOf({ way, target }: Reported): string {
  return `${way} ${target}`;
}
