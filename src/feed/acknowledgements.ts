/** Who has installed which state, and waiting for it. Every replica hears every acknowledgement through the database. */
import { z } from 'zod';
import { uint64 } from '../api/common.ts';
import type { Acknowledgement } from '../api/companions.ts';
import { requireIssuingAllowed } from '../ca/issuing-allowed.ts';
import type { DatabaseHandle, Listener } from '../database/database.ts';
import { notify } from '../database/notify.ts';
import { inTransaction } from '../database/transaction.ts';
import { type Companion, companionsOfOrganization } from '../inventory/companion.ts';
import { noteInstalled, recordAcknowledgement } from '../inventory/companion-contact.ts';
import type { StateVersion } from '../revocation/state-version.ts';

export const acknowledgementChannel = 'sallyport_acknowledgement';

export interface CompanionProgress {
  readonly name: string;
  readonly kind: 'gateway' | 'host';
  readonly acknowledged: boolean;
  /** Connections that the companion says it ended since the state asked about. */
  readonly connectionsEnded: number;
}

const heardSchema = z.strictObject({
  companion_id: z.uuid(),
  version: uint64,
  connections_ended: z.int().min(0),
});
type Heard = z.infer<typeof heardSchema>;

/** `null`: some may have been missed. */
type Hearing = (heard: Heard | null) => void;

/** Empty after a lost connection. What can't be read counts as missed too: everything is read again. */
function heardFrom(payload: string): Heard | null {
  try {
    return heardSchema.parse(JSON.parse(payload));
  } catch {
    return null;
  }
}

export class Acknowledgements {
  readonly #database: DatabaseHandle;
  readonly #clock: () => Date;
  readonly #hearing = new Set<Hearing>();
  #listener: Listener | undefined;

  constructor(database: DatabaseHandle, clock: () => Date) {
    this.#database = database;
    this.#clock = clock;
  }

  async open(): Promise<void> {
    this.#listener = await this.#database.listen(acknowledgementChannel, (payload) => {
      const heard = heardFrom(payload);
      for (const hear of this.#hearing) hear(heard);
    });
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  /**
   * A machine says what it has, before it is sent anything. One that has what this database never gave has it from a
   * history that the database has forgotten: nobody is sent the forgetful state.
   * @throws recovery_needed, request_malformed
   */
  async requireKnown(companionId: string, installed: StateVersion): Promise<void> {
    const standing = await inTransaction(this.#database.db, (tx) =>
      noteInstalled(tx, companionId, installed, this.#clock()),
    );
    if (standing === 'unknown') await requireIssuingAllowed(this.#database.db);
  }

  /** @throws recovery_needed or request_malformed for a version that was never given out */
  async record(companionId: string, acknowledgement: Acknowledgement): Promise<void> {
    const { version, krl_version, connections_ended, problem } = acknowledgement;
    await this.requireKnown(companionId, { version: BigInt(version), krlVersion: BigInt(krl_version) });
    await inTransaction(this.#database.db, async (tx) => {
      await recordAcknowledgement(
        tx,
        companionId,
        {
          version: BigInt(version),
          krlVersion: BigInt(krl_version),
          connectionsEnded: connections_ended,
          problem,
        },
        this.#clock(),
      );
      if (problem !== null) return;
      const heard: Heard = { companion_id: companionId, version, connections_ended };
      await notify(tx, acknowledgementChannel, JSON.stringify(heard));
    });
  }

  /** How far the organization's enrolled companions are with `version` when all are, or when the time is over. */
  async wait(
    organizationId: string,
    version: bigint,
    timeoutMilliseconds: number,
  ): Promise<CompanionProgress[]> {
    const endedBy = new Map<string, Map<string, number>>();
    const note = ({ companion_id, version: heardVersion, connections_ended }: Heard): void => {
      if (BigInt(heardVersion) < version) return;
      endedBy.set(
        companion_id,
        (endedBy.get(companion_id) ?? new Map()).set(heardVersion, connections_ended),
      );
    };
    const read = async (): Promise<readonly Companion[]> => {
      const all = await companionsOfOrganization(this.#database.db, organizationId);
      const enrolled = all.filter(({ enrolledAt }) => enrolledAt !== null);
      for (const { id, acknowledged } of enrolled) {
        if (acknowledged) {
          note({
            companion_id: id,
            version: `${acknowledged.version}`,
            connections_ended: acknowledged.connectionsEnded,
          });
        }
      }
      return enrolled;
    };

    // Listen first, then read: nothing falls between the two.
    const missed = Promise.withResolvers<void>();
    let companions: readonly Companion[] | undefined;
    const settle = (): void => {
      if (companions?.every(({ id }) => endedBy.has(id))) missed.resolve();
    };
    const hear: Hearing = (heard) => {
      if (heard) note(heard);
      else
        read()
          .catch(() => undefined)
          .then(settle);
      settle();
    };
    const timer = setTimeout(missed.resolve, timeoutMilliseconds);
    this.#hearing.add(hear);
    try {
      companions = await read();
      settle();
      await missed.promise;
    } finally {
      this.#hearing.delete(hear);
      clearTimeout(timer);
    }
    return companions.map(({ id, name, kind }) => ({
      name,
      kind,
      acknowledged: endedBy.has(id),
      connectionsEnded: [...(endedBy.get(id)?.values() ?? [])].reduce((sum, ended) => sum + ended, 0),
    }));
  }
}
