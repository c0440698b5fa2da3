/**
 * Who has installed which state, and waiting for it. What comes together is written together; every replica hears every
 * acknowledgement through the database.
 */
import { z } from 'zod';
import { uint64 } from '../api/common.ts';
import type { Acknowledgement } from '../api/companions.ts';
import { requireIssuingAllowed } from '../ca/issuing-allowed.ts';
import type { DatabaseHandle, Listener } from '../database/database.ts';
import { createGroupCommit, type Outcome } from '../database/group-commit.ts';
import { notify } from '../database/notify.ts';
import { companionsOfOrganization } from '../inventory/companion.ts';
import { type MachineReport, type ReportStanding, recordReports } from '../inventory/record-reports.ts';
import type { StateVersion } from '../revocation/state-version.ts';
import { type CompanionProgress, Progress } from './progress.ts';

export const acknowledgementChannel = 'sallyport_acknowledgement';

/** A notification holds 8,000 bytes, which are 90 of them at the least. */
const largestNotification = 90;
/** At every change all machines acknowledge within a second. */
const largestGroup = 4 * largestNotification;

const heardSchema = z.array(z.tuple([z.uuid(), uint64, z.int().min(0)])).max(largestNotification);

/** Which machine has installed which version, and how many connections it ended for it. */
type Heard = z.infer<typeof heardSchema>[number];

/** `null`: some may have been missed. */
type Hearing = (heard: readonly Heard[] | null) => void;

/** Empty after a lost connection. What can't be read counts as missed too: everything is read again. */
function heardFrom(payload: string): readonly Heard[] | null {
  try {
    return heardSchema.parse(JSON.parse(payload));
  } catch {
    return null;
  }
}

export class Acknowledgements {
  readonly #database: DatabaseHandle;
  readonly #report: (report: MachineReport) => Promise<ReportStanding>;
  readonly #hearing = new Set<Hearing>();
  #listener: Listener | undefined;

  constructor(database: DatabaseHandle, clock: () => Date) {
    this.#database = database;
    this.#report = createGroupCommit<MachineReport, ReportStanding>({
      db: database.db,
      lineOf: ({ companionId }) => companionId,
      largest: largestGroup,
      restMilliseconds: 20,
      work: async (tx, reports, how) => {
        const outcomes = await recordReports(tx, reports, { ...how, now: clock() });
        const heard = reports.filter((report) => isInstalled(report, outcomes.get(report))).map(heardOf);
        for (let from = 0; from < heard.length; from += largestNotification) {
          const some = heard.slice(from, from + largestNotification);
          await notify(tx, acknowledgementChannel, JSON.stringify(some));
        }
        return outcomes;
      },
    });
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
    await this.#requireKnown({ companionId, installed, acknowledgement: null });
  }

  /** @throws recovery_needed or request_malformed for a version that was never given out */
  async record(companionId: string, said: Acknowledgement): Promise<void> {
    await this.#requireKnown({
      companionId,
      installed: { version: BigInt(said.version), krlVersion: BigInt(said.krl_version) },
      acknowledgement: { connectionsEnded: said.connections_ended, problem: said.problem },
    });
  }

  async #requireKnown(report: MachineReport): Promise<void> {
    if ((await this.#report(report)) === 'unknown') await requireIssuingAllowed(this.#database.db);
  }

  /** How far the organization's enrolled companions are with `version` when all are, or when the time is over. */
  async wait(
    organizationId: string,
    version: bigint,
    timeoutMilliseconds: number,
  ): Promise<CompanionProgress[]> {
    const progress = new Progress(version);
    const read = async (): Promise<void> =>
      progress.expect(await companionsOfOrganization(this.#database.db, organizationId));

    // Listen first, then read: nothing falls between the two.
    const isOver = Promise.withResolvers<void>();
    const settle = (): void => {
      if (progress.isComplete) isOver.resolve();
    };
    const hear: Hearing = (heard) => {
      if (heard) for (const [id, of, ended] of heard) progress.note(id, BigInt(of), ended);
      else
        read()
          .catch(() => undefined)
          .then(settle);
      settle();
    };
    const timer = setTimeout(isOver.resolve, timeoutMilliseconds);
    this.#hearing.add(hear);
    try {
      await read();
      settle();
      await isOver.promise;
      // What was told may have been lost on its way; what is written was not.
      if (!progress.isComplete) await read();
    } finally {
      this.#hearing.delete(hear);
      clearTimeout(timer);
    }
    return progress.all();
  }
}

function isInstalled(
  { acknowledgement }: MachineReport,
  outcome: Outcome<ReportStanding> | undefined,
): boolean {
  const isKnown = outcome !== undefined && 'result' in outcome && outcome.result === 'known';
  return isKnown && acknowledgement !== null && acknowledgement.problem === null;
}

function heardOf({ companionId, installed, acknowledgement }: MachineReport): Heard {
  return [companionId, `${installed.version}`, acknowledgement?.connectionsEnded ?? 0];
}
