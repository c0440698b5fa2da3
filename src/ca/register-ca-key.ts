/** A new generation of a CA key enters the database, once its signer has proven that it works. */
import { randomBytes } from 'node:crypto';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { verifySignature } from '../ssh/signature.ts';
import { announceCaKeys, insertCaKey, moveCaKey } from './ca-key-store.ts';
import { type Canary, storeCanary } from './canary.ts';
import type { Purpose } from './issuing.ts';
import { signerFailed } from './sign-certificate.ts';
import type { OpenSigner, Signer } from './signer.ts';

/** Opens the signer that a URI names. @throws settings_invalid, file_refused, signer_failed */
export type SignerOpener = (uri: string) => Promise<OpenSigner>;

export interface Registration {
  readonly purpose: Purpose;
  readonly generation: number;
  readonly state: 'next' | 'active';
  /** SSH public key blob. */
  readonly publicKey: Buffer;
  /** URI of its signer. */
  readonly uri: string;
  /** Signed by it; undefined for a host CA. */
  readonly canary: Canary | undefined;
  /** Who asked for it. */
  readonly by: string;
}

/**
 * Stores the key with its canary and tells everybody. The caller holds lockCaKeys(), and so no signer is asked here.
 * Returns its id.
 * @throws settings_invalid if the key has served before
 */
export async function registerCaKey(tx: Tx, registration: Registration, now: Date): Promise<string> {
  const { purpose, generation, state, publicKey, uri, canary, by } = registration;
  const id = await insertCaKey(tx, { purpose, generation, state, publicKey, signer: uri }, now);
  if (id === undefined) {
    throw new SallyportError(
      'settings_invalid',
      `The ${purpose} CA key ${fingerprint(publicKey)} is retired or serves another purpose. ` +
        'Every generation of every purpose needs a key of its own.',
    );
  }
  const facts = { purpose, generation, fingerprint: fingerprint(publicKey), by };
  await recordEvent(tx, { event: 'ca_key.created', facts });
  if (canary !== undefined) await storeCanary(tx, id, canary);
  const stateVersion = await bumpStateVersion(tx, now, { krl: purpose !== 'host' });
  await moveCaKey(tx, id, { stateVersion });
  await announceCaKeys(tx);
  return id;
}

/**
 * Has the signer sign something that is nothing, and verifies it: a key is relied on only after it has signed.
 * @throws signer_failed
 */
export async function proveSigner(signer: Signer): Promise<void> {
  const bytes = Buffer.concat([Buffer.from('sallyport signer proof\n'), randomBytes(32)]);
  try {
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
  } catch (error) {
    throw signerFailed(error);
  }
}
