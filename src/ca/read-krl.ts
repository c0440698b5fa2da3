/** The revocation list as the database has it at one moment, not signed. */
import { hopSectionMark } from '../api/companions.ts';
import type { Database } from '../database/database.ts';
import { inSnapshot } from '../database/transaction.ts';
import { type RevokedRange, revokedRanges } from '../revocation/revoked-ranges.ts';
import { readStateVersion } from '../revocation/state-version.ts';
import { encodeKrl } from '../ssh/encode-krl.ts';
import type { KrlSection } from '../ssh/krl.ts';
import { parseCertificate } from '../ssh/parse-certificate.ts';
import { SerialSet } from '../ssh/serial-set.ts';
import { type CaKeyRecord, readCaKeys } from './ca-key-store.ts';
import { budgetOf, type KrlBudget } from './krl-budget.ts';
import { krlKeys } from './krl-keys.ts';
import { type ListedSerials, readListedSerials } from './listed-serials.ts';

export interface UnsignedKrl {
  /** Decimal text; it only grows. */
  readonly version: string;
  readonly data: Buffer;
}

/** What operators are told about the list. */
export interface KrlReport {
  readonly version: string;
  /** Revoked serials, without canaries and ranges. */
  readonly serials: number;
  readonly budget: KrlBudget;
}

/** A list and what reading the next one goes on from. */
export interface ReadKrl extends UnsignedKrl {
  readonly listed: ListedSerials;
}

/** Equal bytes for equal versions, from every replica. @param before what an earlier reading gave */
export async function readKrl(db: Database, domain: string, before?: ListedSerials): Promise<ReadKrl> {
  const { listed, sections } = await inSnapshot(db, async (tx) => {
    const { krlVersion } = await readStateVersion(tx);
    const serials = await readListedSerials(tx, krlVersion, before);
    const ranges = await revokedRanges(tx);
    return { listed: serials, sections: sectionsOf(await readCaKeys(tx), serials, ranges) };
  });
  const data = encodeKrl({
    version: listed.version,
    // Versions are unix milliseconds. Taking the time from there makes every replica write the same bytes.
    generatedAt: listed.version / 1000n,
    comment: `sallyport ${domain}`,
    sections,
  });
  return { version: `${listed.version}`, data, listed };
}

/** Reads and encodes the whole list; its comment lacks the domain, which the database does not know. */
export async function krlReport(db: Database): Promise<KrlReport> {
  const { version, data, listed } = await readKrl(db, '');
  return { version, serials: listed.count, budget: budgetOf(data) };
}

function sectionsOf(
  keys: readonly CaKeyRecord[],
  { byKey }: ListedSerials,
  ranges: readonly RevokedRange[],
): KrlSection[] {
  const rangesOf = (id: string) =>
    ranges.filter(({ caKeyId }) => caKeyId === id).map(({ first, last }) => ({ from: first, to: last }));
  const { listed, compromised } = krlKeys(keys, (id) => byKey.has(id) || rangesOf(id).length > 0);
  const sections: KrlSection[] = listed.map(({ id, purpose, publicKey, canary }) => ({
    kind: 'certificates',
    caPublicKey: publicKey,
    serials: (byKey.get(id)?.set ?? SerialSet.of([])).change({
      added: canary === null ? [] : [parseCertificate(canary).serial],
      addedRanges: rangesOf(id),
    }),
    keyIds: purpose === 'hop' ? [hopSectionMark] : [],
  }));
  if (compromised.length > 0) sections.push({ kind: 'keys', blobs: compromised });
  return sections;
}
