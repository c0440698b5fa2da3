/** How far an organization's machines are with a version. */
import type { Companion } from '../inventory/companion.ts';

export interface CompanionProgress {
  readonly name: string;
  readonly kind: 'gateway' | 'host';
  readonly acknowledged: boolean;
  /** Connections that the companion says it ended since the state asked about. */
  readonly connectionsEnded: number;
}

export class Progress {
  readonly #version: bigint;
  /** By machine: connections that it ended, by version. */
  readonly #ended = new Map<string, Map<bigint, number>>();
  #companions: readonly Companion[] | undefined;
  #missing = new Set<string>();

  constructor(version: bigint) {
    this.#version = version;
  }

  get isComplete(): boolean {
    return this.#companions !== undefined && this.#missing.size === 0;
  }

  /** A machine has installed a version. */
  note(companionId: string, version: bigint, connectionsEnded: number): void {
    if (version < this.#version) return;
    const ended = this.#ended.get(companionId) ?? new Map<bigint, number>();
    this.#ended.set(companionId, ended.set(version, connectionsEnded));
    this.#missing.delete(companionId);
  }

  /** Those that are enrolled are waited for; what they have acknowledged before is known then too. */
  expect(companions: readonly Companion[]): void {
    this.#companions = companions.filter(({ enrolledAt }) => enrolledAt !== null);
    for (const { id, acknowledged } of this.#companions) {
      if (acknowledged) this.note(id, acknowledged.version, acknowledged.connectionsEnded);
    }
    this.#missing = new Set(
      this.#companions.map(({ id }) => id).filter((companionId) => !this.#ended.has(companionId)),
    );
  }

  all(): CompanionProgress[] {
    return (this.#companions ?? []).map(({ id, name, kind }) => ({
      name,
      kind,
      acknowledged: this.#ended.has(id),
      connectionsEnded: [...(this.#ended.get(id)?.values() ?? [])].reduce((sum, ended) => sum + ended, 0),
    }));
  }
}
