/** The key revocation list that companions install: revoked serials and every canary, signed, with its version. */
import type { Database } from '../database/database.ts';
import { inSnapshot } from '../database/transaction.ts';
import { revokedSerials } from '../revocation/revoked-serials.ts';
import { readStateVersion } from '../revocation/state-version.ts';
import { encodeKrl } from '../ssh/encode-krl.ts';
import type { KrlSection } from '../ssh/krl.ts';
import { readCaKeys } from './ca-key-store.ts';
import { canarySerials } from './certificate-store.ts';
import type { Issuing } from './issuing.ts';
import { krlKeys } from './krl-keys.ts';
import { type KrlSignatures, signKrl } from './sign-krl.ts';

export interface CurrentKrl extends KrlSignatures {
  /** Decimal text; it only grows. */
  readonly version: string;
  readonly data: Buffer;
}

/** Reads the list, and makes it again only when its version has changed. */
export function createKrlSource(issuing: Issuing): () => Promise<CurrentKrl> {
  let cached: CurrentKrl | undefined;
  return async () => {
    const { krlVersion } = await readStateVersion(issuing.db);
    if (cached?.version !== `${krlVersion}`) cached = await makeKrl(issuing);
    return cached;
  };
}

async function makeKrl(issuing: Issuing): Promise<CurrentKrl> {
  const { db, domain, keys } = issuing;
  const { krlVersion, sections } = await readRevoked(db);
  const version = `${krlVersion}`;
  const data = encodeKrl({
    version: krlVersion,
    // Versions are unix milliseconds. Taking the time from there makes every replica write the same bytes.
    generatedAt: krlVersion / 1000n,
    comment: `sallyport ${domain}`,
    sections,
  });
  // The list may be about the keys themselves; who signs it must be as new as the list.
  await keys.refresh();
  return { version, data, ...(await signKrl(issuing, version, data)) };
}

/** Version and serials as of one moment. */
async function readRevoked(db: Database): Promise<{ krlVersion: bigint; sections: KrlSection[] }> {
  return await inSnapshot(db, async (tx) => {
    const { krlVersion } = await readStateVersion(tx);
    const entries = await revokedSerials(tx);
    const hasRevoked = (id: string) => entries.some(({ caKeyId }) => caKeyId === id);
    const { listed, compromised } = krlKeys(await readCaKeys(tx), hasRevoked);
    const revoked = [...(await canarySerials(tx)), ...entries];
    const sections: KrlSection[] = listed.map(({ id, publicKey }) => ({
      kind: 'certificates' as const,
      caPublicKey: publicKey,
      serials: revoked.filter(({ caKeyId }) => caKeyId === id).map(({ serial }) => serial),
    }));
    if (compromised.length > 0) sections.push({ kind: 'keys', blobs: compromised });
    return { krlVersion, sections };
  });
}
