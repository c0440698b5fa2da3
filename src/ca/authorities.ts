/** The CA keys that others must trust: the next one already, and the one before it still. */
import type { Database } from '../database/database.ts';
import { certificateLine } from '../ssh/encode-certificate.ts';
import { checkPublicKeyBlob, publicKeyLine } from '../ssh/public-key.ts';
import { type CaKeyRecord, readCaKeys } from './ca-key-store.ts';
import type { Purpose } from './issuing.ts';

export interface Authority {
  readonly publicKeyLine: string;
  /** Certificate that every KRL revokes; empty for the host CA. */
  readonly canaryLine: string;
}

/** The generations of a purpose that are next, active or retiring, the oldest first. */
export async function trustedAuthorities(
  db: Database,
  purpose: Purpose,
  domain: string,
): Promise<Authority[]> {
  const keys = await readCaKeys(db);
  return keys
    .filter((key) => key.purpose === purpose && key.state !== 'retired')
    .map((key) => ({
      publicKeyLine: authorityLine(key, domain),
      canaryLine: key.canary === null ? '' : certificateLine(key.canary, 'canary'),
    }));
}

function authorityLine({ purpose, generation, publicKey }: CaKeyRecord, domain: string): string {
  const comment = `sallyport ${purpose} CA ${generation} ${domain}`;
  return publicKeyLine({ type: checkPublicKeyBlob(publicKey), blob: publicKey, comment });
}
