/**
 * Keeps the machine's firewall open for the leases of the state and for nobody else: opens what is new, extends what lasts
 * longer, closes what is over or no more in the state. What fails is tried again, and told until it has worked.
 */
import type { CompanionState } from '../api/companions.ts';
import type { LeaseHook, Opening } from './lease-hook.ts';
import { type Log, logFailure } from './log.ts';
import { OneAtATime } from './one-at-a-time.ts';
import type { Problems } from './problems.ts';

type Lease = CompanionState['leases'][number];

export interface LeaseKeeperOptions {
  readonly hook: LeaseHook;
  readonly problems: Problems;
  readonly log: Log;
  readonly nowSeconds: () => number;
  /** There is a problem, or none any more. */
  readonly onProblem: () => void;
}

/** Whatever the CA says: nothing that a program could take for more. */
const address = /^[0-9a-f][0-9a-f.:]{1,44}(\/[0-9]{1,3})?$|^::[0-9a-f.:]{0,43}(\/[0-9]{1,3})?$/;

interface Open extends Opening {
  /** Unix seconds; 0: it was found open, nobody knows since when or how long. */
  readonly until: number;
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #turns = new OneAtATime();
  /** What the firewall has, as far as is known; undefined: it was not asked yet. */
  #open: Map<string, Open> | undefined;
  #leases: readonly Lease[] = [];
  #waiting: Promise<void> | undefined;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  /** Resolves when the firewall is so, or when it was tried. Never throws. */
  async follow(leases: readonly Lease[]): Promise<void> {
    this.#leases = leases;
    await this.look();
  }

  /** What time has ended, and what did not work before. */
  look(): Promise<void> {
    // One that waits for its turn sees what is asked for meanwhile.
    this.#waiting ??= this.#turns.run(async () => {
      this.#waiting = undefined;
      await this.#look();
    });
    return this.#waiting;
  }

  async #look(): Promise<void> {
    const { hook, problems, log, onProblem } = this.#options;
    const before = problems.has('lease');
    try {
      this.#open ??= new Map(
        (await hook.list()).map((opening) => [keyOf(opening), { ...opening, until: 0 }]),
      );
      await this.#close(this.#open);
      await this.#extend(this.#open);
      problems.clear('lease');
    } catch (error) {
      problems.set('lease', error instanceof Error ? error.message : 'The lease hook failed.');
      if (!before) logFailure(log, 'error', 'lease.failed', error);
    }
    if (before !== problems.has('lease')) onProblem();
  }

  /** First, and all that can be: a hole that is not wanted is worse than one that is missing. */
  async #close(open: Map<string, Open>): Promise<void> {
    const wanted = this.#wanted();
    let failure: unknown;
    for (const [key, opening] of open) {
      if (wanted.has(key)) continue;
      try {
        await this.#options.hook.remove(opening);
        open.delete(key);
        this.#tell('closed', opening);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  /** All that can be, too: what the firewall does not take for one person keeps nobody else out. */
  async #extend(open: Map<string, Open>): Promise<void> {
    let failure: unknown;
    for (const [key, opening] of this.#wanted()) {
      if (open.get(key)?.until === opening.until) continue;
      // Those before may have taken their time. Never none at all: to a firewall that may mean for ever.
      const seconds = opening.until - this.#options.nowSeconds();
      if (seconds < 1) continue;
      try {
        await this.#options.hook.add(opening, seconds);
        open.set(key, opening);
        this.#tell('open', opening);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
  }

  /** Of several people behind one address the one who stays longest counts. */
  #wanted(): Map<string, Open> {
    const now = this.#options.nowSeconds();
    const wanted = new Map<string, Open>();
    for (const { network, port, expires_at: until } of this.#leases) {
      const key = keyOf({ network, port });
      if (!address.test(network)) continue;
      if (until > now && until > (wanted.get(key)?.until ?? 0)) wanted.set(key, { network, port, until });
    }
    return wanted;
  }

  #tell(what: 'open' | 'closed', { network, port }: Opening): void {
    const message = `The firewall is ${what} for ${network} at port ${port}.`;
    this.#options.log({ level: 'info', event: `lease.${what}`, message, facts: { network, port } });
  }
}

function keyOf({ network, port }: Opening): string {
  return `${network} ${port}`;
}
