/**
 * The detached signatures of a KRL. A companion trusts the keys that it was told of before, so a list is signed by the
 * active user CA key and by each that somebody may know and no newer one: the retiring ones, and for a week a
 * compromised one. That testifies against itself: the list that it signs names it as revoked, and who has installed
 * that list believes it nothing more.
 */
import { krlMessage } from '../api/companions.ts';
import { signSshsig } from '../ssh/sshsig.ts';
import type { CaKey, Issuing } from './issuing.ts';
import { signerFailed } from './sign-certificate.ts';

export interface KrlSignatures {
  /** Armored SSHSIG by the active user CA over krlMessage(version, data), namespace `krl@DOMAIN`. */
  readonly signature: string;
  /** The same by the others, those that could sign. */
  readonly signatures: readonly string[];
}

/** @throws signer_failed if the active key can't sign; the others are only needed by who was away for long */
export async function signKrl(
  { domain, keys }: Pick<Issuing, 'domain' | 'keys'>,
  version: string,
  data: Uint8Array,
): Promise<KrlSignatures> {
  const message = krlMessage(version, data);
  const signBy = ({ publicKey, signer }: CaKey) =>
    signSshsig({
      message,
      namespace: `krl@${domain}`,
      publicKeyBlob: publicKey,
      sign: (bytes) => signer.sign(bytes),
    });
  const [first, ...others] = await Promise.allSettled([keys.active('user'), ...keys.vouching()].map(signBy));
  if (first?.status !== 'fulfilled') throw signerFailed(first?.reason);
  return {
    signature: first.value,
    signatures: others.flatMap((other) => (other.status === 'fulfilled' ? [other.value] : [])),
  };
}
