/** Who hears of new states on this replica. */
import type { CompanionState } from '../api/companions.ts';

export interface Subscriber {
  /** Called with ever newer states. */
  send(state: CompanionState): void;
  /** The companion may not hear more: revoked, or the server stops. */
  end(): void;
}

export interface Subscription {
  close(): void;
}

interface Listed extends Subscriber {
  lastVersion: bigint;
}

export class Subscriptions {
  readonly #byCompanion = new Map<string, Set<Listed>>();

  get companionIds(): readonly string[] {
    return [...this.#byCompanion.keys()];
  }

  add(companionId: string, subscriber: Subscriber): Subscription {
    const listed: Listed = { ...wrapped(subscriber), lastVersion: -1n };
    const set = this.#byCompanion.get(companionId) ?? new Set();
    this.#byCompanion.set(companionId, set.add(listed));
    return {
      close: () => {
        set.delete(listed);
        if (set.size === 0 && this.#byCompanion.get(companionId) === set)
          this.#byCompanion.delete(companionId);
      },
    };
  }

  /** Gives the state to those who have an older one; a state that was overtaken goes to nobody. */
  deliver(companionId: string, state: CompanionState): void {
    const version = BigInt(state.version);
    for (const subscriber of this.#byCompanion.get(companionId) ?? []) {
      if (version <= subscriber.lastVersion) continue;
      subscriber.lastVersion = version;
      subscriber.send(state);
    }
  }

  /** Ends a companion's subscriptions, or everybody's. */
  end(companionId?: string): void {
    const ids = companionId === undefined ? this.companionIds : [companionId];
    for (const id of ids) {
      const set = this.#byCompanion.get(id) ?? new Set();
      this.#byCompanion.delete(id);
      for (const subscriber of set) subscriber.end();
    }
  }
}

function wrapped({ send, end }: Subscriber): Subscriber {
  return { send, end };
}
