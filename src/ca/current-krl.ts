/** The key revocation list that companions install: revoked serials and every canary, signed, with its version. */
import { krlMessage } from '../api/companions.ts';
import type { Database, Tx } from '../database/database.ts';
import { inSnapshot } from '../database/transaction.ts';
import { revokedSerials } from '../revocation/revoked-serials.ts';
import { readStateVersion } from '../revocation/state-version.ts';
import { encodeKrl } from '../ssh/encode-krl.ts';
import type { KrlSection } from '../ssh/krl.ts';
import { signSshsig } from '../ssh/sshsig.ts';
import { canarySerials } from './certificate-store.ts';
import type { Issuing } from './issuing.ts';
import { signerFailed } from './sign-certificate.ts';

export interface CurrentKrl {
  /** Decimal text; it only grows. */
  readonly version: string;
  readonly data: Buffer;
  /** Armored SSHSIG by the active user CA over krlMessage(version, data), namespace `krl@DOMAIN`. */
  readonly signature: string;
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

async function makeKrl({ db, domain, keys }: Issuing): Promise<CurrentKrl> {
  const { krlVersion, sections } = await readRevoked(db);
  const version = `${krlVersion}`;
  const data = encodeKrl({
    version: krlVersion,
    // Versions are unix milliseconds. Taking the time from there makes every replica write the same bytes.
    generatedAt: krlVersion / 1000n,
    comment: `sallyport ${domain}`,
    sections,
  });
  const { publicKey, signer } = keys.active('user');
  const signature = await signSshsig({
    message: krlMessage(version, data),
    namespace: `krl@${domain}`,
    publicKeyBlob: publicKey,
    sign: (bytes) => signer.sign(bytes),
  }).catch((error) => {
    throw signerFailed(error);
  });
  return { version, data, signature };
}

/** Version and serials as of one moment. */
async function readRevoked(db: Database): Promise<{ krlVersion: bigint; sections: KrlSection[] }> {
  return await inSnapshot(db, async (tx) => {
    const { krlVersion } = await readStateVersion(tx);
    const revoked = [...(await canarySerials(tx)), ...(await revokedSerials(tx))];
    const sections = (await keysOfUserCertificates(tx)).map(({ id, public_key }) => ({
      kind: 'certificates' as const,
      caPublicKey: public_key,
      serials: revoked.filter(({ caKeyId }) => caKeyId === id).map(({ serial }) => serial),
    }));
    return { krlVersion, sections };
  });
}

/** Every generation of the CAs whose certificates sshd checks: a serial counts as revoked only in the section of the key that signed it. */
async function keysOfUserCertificates(tx: Tx): Promise<{ id: string; public_key: Buffer }[]> {
  return await tx
    .selectFrom('ca_keys')
    .select(['id', 'public_key'])
    .where('purpose', 'in', ['user', 'hop'])
    .orderBy('purpose', 'desc')
    .orderBy('generation')
    .execute();
}
