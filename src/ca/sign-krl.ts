/**
 * The detached signatures of a KRL. A companion trusts the keys that it was told of before, so a list is signed by the
 * active user CA key and by each that somebody may know and no newer one: the retiring ones, and for a week a
 * compromised one. That testifies against itself: the list that it signs names it as revoked, and who has installed
 * that list believes it nothing more.
 */
import { krlMessage } from '../api/companions.ts';
import { signSshsig } from '../ssh/sshsig.ts';
import type { CaKey, CaKeys, Issuing } from './issuing.ts';
import { signerFailed } from './sign-certificate.ts';

export interface KrlSignatures {
  /** Armored SSHSIG by the active user CA over krlMessage(version, data), namespace `krl@DOMAIN`. */
  readonly signature: string;
  /** The same by the others, those that could sign. */
  readonly signatures: readonly string[];
  /** Whether the active key has signed. If not, another try may do better. */
  readonly isByActive: boolean;
}

/**
 * A server that can't open the active key at all, as after an emergency that made it elsewhere, gives what the others
 * sign, so that its companions hear at least of the end of a stolen key that they know.
 * @throws signer_failed if nobody can sign, or the active key is open here and could not
 */
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
  const active = activeOf(keys);
  const signers = [active, ...keys.vouching()].filter((key) => key !== undefined);
  const [first, ...others] = await Promise.allSettled(signers.map(signBy));
  if (first?.status !== 'fulfilled') throw signerFailed(first?.reason ?? 'no user CA key is open');
  return {
    isByActive: signers[0] === active,
    signature: first.value,
    signatures: others.flatMap((other) => (other.status === 'fulfilled' ? [other.value] : [])),
  };
}

function activeOf(keys: CaKeys): CaKey | undefined {
  try {
    return keys.active('user');
  } catch {
    return undefined;
  }
}
