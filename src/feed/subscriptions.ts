/** Who hears of new states on this replica. */
import type { CompanionState } from '../api/companions.ts';
import { parseCertificateLine } from '../ssh/parse-certificate.ts';
import type { StateOfEnrolment } from './companion-state.ts';

export interface Subscriber {
  /** Called with ever newer states; the version may be the same when only the host certificate is new. */
  send(state: CompanionState): void;
  /** The companion may not hear more: revoked, or the server stops. */
  end(): void;
}

/** A machine, as it was when it proved who it is. */
export interface Enrolled {
  readonly companionId: string;
  readonly enrolledAt: Date;
}

export interface Subscription {
  close(): void;
}

interface Listed {
  readonly subscriber: Subscriber;
  /** Of the machine that subscribed. */
  readonly enrolledAt: Date;
  last: Age;
}

/** What tells a newer state from an older one. */
interface Age {
  readonly version: bigint;
  readonly revocationList: bigint;
  /** Certificates are renewed without a new version; the later one has the higher serial. */
  readonly hostCertificate: { readonly line: string; readonly serial: bigint };
}

const nothingYet: Age = { version: -1n, revocationList: -1n, hostCertificate: { line: '', serial: -1n } };

function ageOf({ version, krl, host_certificate: line }: CompanionState, { hostCertificate }: Age): Age {
  return {
    version: BigInt(version),
    revocationList: BigInt(krl.version),
    // The same one nearly always: it is read, which takes its time, only when it is new.
    hostCertificate:
      hostCertificate.line === line ? hostCertificate : { line, serial: parseCertificateLine(line).serial },
  };
}

/**
 * The revocation list may be newer than the version beside it, so of two states made at once the one with the higher
 * version can have the older list. Nobody takes a revocation back: it goes to nobody, and as the list has a version of
 * its own by then, a state of that version follows. With the same version it is newer after the CA key was away.
 */
function isNewer(age: Age, last: Age): boolean {
  if (age.revocationList < last.revocationList) return false;
  if (age.version !== last.version) return age.version > last.version;
  if (age.revocationList !== last.revocationList) return true;
  return age.hostCertificate.serial > last.hostCertificate.serial;
}

/** A companion has one, and while it comes back its old one may still seem open. More is somebody who wears us out. */
const mostOfOneCompanion = 4;

export class Subscriptions {
  readonly #byCompanion = new Map<string, Set<Listed>>();
  readonly #all = new Set<Listed>();

  /** Of all companions together. */
  get count(): number {
    return this.#all.size;
  }

  get companionIds(): readonly string[] {
    return [...this.#byCompanion.keys()];
  }

  /** A companion that has too many loses its oldest. */
  add({ companionId, enrolledAt }: Enrolled, subscriber: Subscriber): Subscription {
    const listed: Listed = { subscriber, enrolledAt, last: nothingYet };
    const set = this.#byCompanion.get(companionId) ?? new Set();
    this.#byCompanion.set(companionId, set.add(listed));
    this.#all.add(listed);
    const [oldest] = set;
    if (oldest && set.size > mostOfOneCompanion) {
      set.delete(oldest);
      this.#all.delete(oldest);
      oldest.subscriber.end();
    }
    return {
      close: () => {
        set.delete(listed);
        this.#all.delete(listed);
        if (set.size === 0 && this.#byCompanion.get(companionId) === set)
          this.#byCompanion.delete(companionId);
      },
    };
  }

  /**
   * Gives the state to those who have an older one; a state that was overtaken goes to nobody. Who proved itself before
   * another machine enrolled in its place is cut off, and a state made before that is not the new machine's.
   */
  deliver(companionId: string, { state, enrolledAt }: Pick<StateOfEnrolment, 'state' | 'enrolledAt'>): void {
    for (const listed of this.#byCompanion.get(companionId) ?? []) {
      if (enrolledAt > listed.enrolledAt) listed.subscriber.end();
      const age = ageOf(state, listed.last);
      if (enrolledAt.getTime() !== listed.enrolledAt.getTime() || !isNewer(age, listed.last)) continue;
      listed.last = age;
      listed.subscriber.send(state);
    }
  }

  /** Ends a companion's subscriptions, or everybody's. */
  end(companionId?: string): void {
    const ids = companionId === undefined ? this.companionIds : [companionId];
    for (const id of ids) {
      const set = this.#byCompanion.get(id) ?? new Set();
      this.#byCompanion.delete(id);
      for (const listed of set) {
        this.#all.delete(listed);
        listed.subscriber.end();
      }
    }
  }
}
