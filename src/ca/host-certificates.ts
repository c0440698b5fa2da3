/**
 * The host certificates of many machines at once, as at every change of what they are sent: one that was given before is
 * given again until it is due, without a transaction for each machine.
 */
import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import { parseCertificateLine } from '../ssh/parse-certificate.ts';
import { lastHostCertificates, type StoredCertificate } from './certificate-store.ts';
import { type EnrolledMachine, enrolledMachines } from './enrolled-machine.ts';
import {
  hostCertificateFor,
  isGood,
  principalsOf,
  type SignedLines,
  signedOnce,
} from './issue-host-certificate.ts';
import type { Issuing } from './issuing.ts';

/** A certificate, or why there is none: enrolment_refused, signer_failed. */
export type HostCertificate = { readonly line: string } | { readonly error: unknown };

interface Held {
  readonly line: string;
  readonly serial: bigint;
  /** The half of its life. */
  readonly dueAt: number;
  readonly subject: string;
}

/** Each issues in a transaction of its own, which takes a connection of the pool. */
const issuedAtOnce = 4;

export class HostCertificates {
  readonly #issuing: Issuing;
  readonly #signed: SignedLines = new Map();
  readonly #held = new Map<string, Held>();

  constructor(issuing: Issuing) {
    this.#issuing = issuing;
  }

  /** The one that the machine should have now; a new one only if it needs one. @throws enrolment_refused, signer_failed */
  async of(companionId: string): Promise<string> {
    const found = (await this.ofAll([companionId])).get(companionId);
    if (found && 'line' in found) return found.line;
    throw found?.error;
  }

  async ofAll(companionIds: readonly string[]): Promise<ReadonlyMap<string, HostCertificate>> {
    const { db, clock } = this.#issuing;
    const machines = await enrolledMachines(db, companionIds);
    const good = await this.#stillGood(machines, clock().getTime());
    const found = new Map<string, HostCertificate>();
    for (const [id, line] of good) found.set(id, { line });
    const others = companionIds.filter((id) => !good.has(id));
    const stored: ReadonlyMap<string, StoredCertificate> =
      others.length > 0 ? await lastHostCertificates(db, others) : new Map();
    const queue = others.values();
    const issue = async () => {
      for (const id of queue) found.set(id, await this.#issue(id, machines.get(id), stored.get(id)));
    };
    await Promise.all(Array.from({ length: Math.min(issuedAtOnce, others.length) }, issue));
    return found;
  }

  async #stillGood(
    machines: ReadonlyMap<string, EnrolledMachine>,
    now: number,
  ): Promise<ReadonlyMap<string, string>> {
    const good = new Map<string, Held>();
    const signer = this.#signer();
    for (const [id, machine] of machines) {
      const held = this.#held.get(id);
      if (held && held.dueAt > now && held.subject === subjectOf(machine, signer)) good.set(id, held);
    }
    const revoked = await revokedAmong(
      this.#issuing.db,
      [...good.values()].map(({ serial }) => serial),
    );
    return new Map(
      [...good].filter(([, { serial }]) => !revoked.has(serial)).map(([id, { line }]) => [id, line]),
    );
  }

  /** @param last stored by another server, or by this one before it was started anew: signed again if it is good still */
  async #issue(
    id: string,
    machine: EnrolledMachine | undefined,
    last: StoredCertificate | undefined,
  ): Promise<HostCertificate> {
    const issuing = this.#issuing;
    try {
      const line =
        machine && last && isGood(last, machine, issuing, issuing.clock())
          ? await signedOnce(issuing, id, { stored: last, signed: this.#signed })
          : await hostCertificateFor(issuing, id, this.#signed);
      this.#hold(id, machine, line);
      return { line };
    } catch (error) {
      this.#held.delete(id);
      return { error };
    }
  }

  #hold(id: string, machine: EnrolledMachine | undefined, line: string): void {
    const { serial, validAfter, validBefore, publicKey, principals } = parseCertificateLine(line);
    // Should it have been enrolled or renamed in between, it is another's by now and asked for again the next time.
    if (!machine?.hostKey.equals(publicKey)) return;
    if (principalsOf(machine).join() !== principals.join()) return;
    const dueAt = (Number(validAfter + validBefore) / 2) * 1000;
    this.#held.set(id, { line, serial, dueAt, subject: subjectOf(machine, this.#signer()) });
  }

  /** The active key's id; empty where this server can't open it, which whoever needs a signature is told. */
  #signer(): string {
    try {
      return this.#issuing.keys.active('host').id;
    } catch {
      return '';
    }
  }
}

/** All that a certificate says, and who signs it. */
function subjectOf(machine: EnrolledMachine, signer: string): string {
  return [signer, machine.hostKey.toString('base64'), ...principalsOf(machine)].join(' ');
}

async function revokedAmong(db: Database, serials: readonly bigint[]): Promise<ReadonlySet<bigint>> {
  if (serials.length === 0) return new Set();
  const rows = await db
    .selectFrom('revoked_serials')
    .select('serial')
    .where('serial', '=', sql<string>`any(${serials.map(String)}::bigint[])`)
    .execute();
  return new Set(rows.map(({ serial }) => BigInt(serial)));
}
