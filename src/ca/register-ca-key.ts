/** A new generation of a CA key enters the database, with the proof that its signer works. */
import { randomBytes } from 'node:crypto';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { verifySignature } from '../ssh/signature.ts';
import { announceCaKeys, insertCaKey, moveCaKey } from './ca-key-store.ts';
import { createCanary } from './canary.ts';
import type { Purpose } from './issuing.ts';
import { signerFailed } from './sign-certificate.ts';
import type { OpenSigner, Signer } from './signer.ts';

/** Opens the signer that a URI names. @throws settings_invalid, file_refused, signer_failed */
export type SignerOpener = (uri: string) => Promise<OpenSigner>;

export interface Registration {
  readonly purpose: Purpose;
  readonly generation: number;
  readonly state: 'next' | 'active';
  /** URI, and what it names. */
  readonly uri: string;
  readonly signer: Signer;
  /** Who asked for it. */
  readonly by: string;
}

/**
 * Stores the key, has it sign its canary (a host CA has none: no KRL lists host certificates) and tells everybody. The
 * caller holds lockCaKeys(). Returns its id.
 * @throws settings_invalid if the key has served before; signer_failed
 */
export async function registerCaKey(tx: Tx, registration: Registration, now: Date): Promise<string> {
  const { purpose, generation, state, uri, signer, by } = registration;
  const { publicKey } = signer;
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
  if (purpose !== 'host') await createCanary(tx, { id, purpose, generation, publicKey, signer }, now);
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
