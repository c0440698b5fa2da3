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
import { type ListedSerials, readListedSerials, type SerialsOfKey } from './listed-serials.ts';

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

/** What a list is made from: the next one goes on from it, and shorter ones for some machines are cut from it. */
export interface KrlContents {
  readonly listed: ListedSerials;
  readonly keys: readonly CaKeyRecord[];
  readonly ranges: readonly RevokedRange[];
}

export interface ReadKrl extends UnsignedKrl {
  readonly contents: KrlContents;
}

/** Equal bytes for equal versions, from every replica. @param before what an earlier reading gave */
export async function readKrl(db: Database, domain: string, before?: ListedSerials): Promise<ReadKrl> {
  const contents = await inSnapshot(db, async (tx) => {
    const { krlVersion } = await readStateVersion(tx);
    const listed = await readListedSerials(tx, krlVersion, before);
    return { listed, keys: await readCaKeys(tx), ranges: await revokedRanges(tx) };
  });
  return { ...krlOf(contents, `sallyport ${domain}`), contents };
}

/** @param serialsOf what to list of a key's revoked serials; all of them if it is left out */
export function krlOf(
  { listed, keys, ranges }: KrlContents,
  comment: string,
  serialsOf: (key: CaKeyRecord, all: SerialsOfKey) => SerialSet = (_key, { set }) => set,
): UnsignedKrl {
  const rangesOf = (id: string) =>
    ranges.filter(({ caKeyId }) => caKeyId === id).map(({ first, last }) => ({ from: first, to: last }));
  const named = krlKeys(keys, (id) => listed.byKey.has(id) || rangesOf(id).length > 0);
  const sections: KrlSection[] = named.listed.map((key) => {
    const { id, purpose, publicKey, canary } = key;
    const all = listed.byKey.get(id);
    return {
      kind: 'certificates',
      caPublicKey: publicKey,
      serials: (all ? serialsOf(key, all) : SerialSet.of([])).change({
        added: canary === null ? [] : [parseCertificate(canary).serial],
        addedRanges: rangesOf(id),
      }),
      keyIds: purpose === 'hop' ? [hopSectionMark] : [],
    };
  });
  if (named.compromised.length > 0) sections.push({ kind: 'keys', blobs: named.compromised });
  const data = encodeKrl({
    version: listed.version,
    // Versions are unix milliseconds. Taking the time from there makes every replica write the same bytes.
    generatedAt: listed.version / 1000n,
    comment,
    sections,
  });
  return { version: `${listed.version}`, data };
}

/** Reads and encodes the whole list; its comment lacks the domain, which the database does not know. */
export async function krlReport(db: Database): Promise<KrlReport> {
  const { version, data, contents } = await readKrl(db, '');
  return { version, serials: contents.listed.count, budget: budgetOf(data) };
}
