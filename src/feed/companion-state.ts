/**
 * Companions' states: everything they decide with, whole. Facts, revocation list and host certificates are read for all
 * who are asked about together, and each document is derived from them.
 */
import type { CompanionState } from '../api/companions.ts';
import type { CertificateAuthority } from '../ca/certificate-authority.ts';
import type { CurrentKrl } from '../ca/current-krl.ts';
import type { HostCertificate } from '../ca/host-certificates.ts';
import { isOverBudget } from '../ca/krl-budget.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type Companion, notEnrolled } from '../inventory/companion.ts';
import { recordKrlExcess } from '../inventory/companion-contact.ts';
import { deriveState, relevantTo } from './derive-state.ts';
import { type CommonFacts, type CompanionFacts, type Facts, FactsOfVersion } from './read-facts.ts';

export interface StateParts {
  readonly database: DatabaseHandle;
  readonly authority: CertificateAuthority;
  readonly publicUrl: URL;
  readonly clock: () => Date;
  /** A machine's own list is over its budget, by so much more or less than before, or within it again. */
  readonly onKrlExcess?: (companion: string, excessBytes: number | null) => void;
}

export interface StateOfEnrolment {
  readonly state: CompanionState;
  /** Another machine that enrols in this one's place has another moment: what was opened before is not its. */
  readonly enrolledAt: Date;
  /** Why its revocation list is an older one; undefined if it is not. */
  readonly behind?: unknown;
}

/** A state, or why there is none: token_invalid or enrolment_refused if the companion is revoked or not enrolled. */
export type MadeState = StateOfEnrolment | { readonly error: unknown };

/** How often facts are read again because the list was newer: it changes faster than that under a storm only. */
const mostReadings = 3;

export class StateMaker {
  readonly #parts: StateParts;
  readonly #kept = new FactsOfVersion();

  constructor(parts: StateParts) {
    this.#parts = parts;
  }

  /** The state of each. @throws recovery_needed, unavailable, signer_failed: what keeps everybody's from being made */
  async make(companionIds: readonly string[]): Promise<ReadonlyMap<string, MadeState>> {
    const now = this.#parts.clock();
    const { facts, krl } = await this.#readTogether(companionIds, now);
    const ids = [...facts.byCompanion.keys()];
    const certificates = await this.#parts.authority.hostCertificatesFor(ids);
    const made = new Map<string, MadeState>();
    for (const id of companionIds) {
      const own = facts.byCompanion.get(id);
      const certificate = certificates.get(id);
      if (own === undefined || certificate === undefined) made.set(id, { error: notEnrolled() });
      else made.set(id, await this.#derive({ common: facts.common, own, certificate, krl, now }));
    }
    return made;
  }

  async #derive({ common, own, certificate, krl, now }: Ingredients): Promise<MadeState> {
    if ('error' in certificate) return certificate;
    const { authority, publicUrl } = this.#parts;
    const relevant = relevantTo(own, now);
    const { kind, enrolledAt } = own.companion;
    const narrowed = await authority.narrowKrl(krl, { kind, accounts: relevant.accounts });
    await this.#noteExcess(own.companion, narrowed);
    const state = deriveState({
      common,
      facts: own,
      relevant,
      krl: narrowed,
      hostCertificate: certificate.line,
      publicUrl,
      now,
    });
    return {
      state,
      enrolledAt,
      ...(krl.behind !== undefined && { behind: krl.behind }),
    };
  }

  /** Who has a list that is too long even so; the last one that was told is in the machine's row. */
  async #noteExcess({ id, name, krlExcessBytes }: Companion, { budget }: CurrentKrl): Promise<void> {
    const excess = isOverBudget(budget) ? budget.bytes - budget.limit : null;
    if (excess === krlExcessBytes) return;
    await recordKrlExcess(this.#parts.database.db, id, excess);
    this.#parts.onKrlExcess?.(name, excess);
  }

  /**
   * The facts and a revocation list that is not older. The list reads the database itself, so it may be newer; as that
   * may be about a CA key which the facts still name, they are read again then.
   */
  async #readTogether(
    companionIds: readonly string[],
    now: Date,
  ): Promise<{ facts: Facts; krl: CurrentKrl }> {
    const { database, authority } = this.#parts;
    for (let reading = 1; ; reading += 1) {
      const facts = await this.#kept.read(database.db, authority, { companionIds, now });
      const krl = await authority.currentKrl();
      // An older list with newer facts lets nobody in: companions refuse ended sessions by the facts already.
      if (krl.behind !== undefined) return { facts, krl };
      const { krlVersion } = facts.common;
      requireAtLeast(krl, krlVersion);
      if (BigInt(krl.version) === krlVersion || reading === mostReadings) return { facts, krl };
    }
  }
}

interface Ingredients {
  readonly common: CommonFacts;
  readonly own: CompanionFacts;
  readonly certificate: HostCertificate;
  readonly krl: CurrentKrl;
  readonly now: Date;
}

/** A list older than the facts beside it would be a revocation taken back. */
function requireAtLeast(krl: CurrentKrl, version: bigint): void {
  if (BigInt(krl.version) >= version) return;
  throw new SallyportError('unavailable', 'The revocation list is not ready. Try again.', {
    detail: `list ${krl.version}, facts ${version}`,
  });
}
