/**
 * Detached signatures (OpenSSH PROTOCOL.sshsig), as `ssh-keygen -Y sign` and `-Y verify` make and check them, by every
 * type of key, over SHA-512 only. The namespace keeps a signature made for one purpose from serving another.
 */
import { createHash } from 'node:crypto';
import { SallyportError } from '../errors/sallyport-error.ts';
import { armor, unarmor } from './pem.ts';
import { type VerifiedSignature, verifySignature } from './signature.ts';
import { WireReader, WireWriter } from './wire.ts';

const label = 'SSH SIGNATURE';
const magic = Buffer.from('SSHSIG');
const version = 1;
const hashAlgorithm = 'sha512';

/** An RSA key of 16,384 bits and its signature take 6,000 characters; Ed25519 takes 300. */
const longestSshsig = 8192;

export interface SshsigClaim {
  readonly message: Uint8Array;
  /** What the signature is for, such as "pop@example.org". */
  readonly namespace: string;
  /** Blob of the key that signs. */
  readonly publicKeyBlob: Buffer;
}

/**
 * Signs and checks the result before it leaves.
 * @param sign gives the signature blob over the bytes, as signWithKey() does
 * @returns the armored text
 * @throws signature_invalid if `sign` gave something else
 */
export async function signSshsig(
  claim: SshsigClaim & { readonly sign: (bytes: Buffer) => Promise<Buffer> | Buffer },
): Promise<string> {
  const { namespace, publicKeyBlob, sign } = claim;
  const signature = await sign(signedBytes(claim));
  const blob = new WireWriter()
    .raw(magic)
    .u32(version)
    .string(publicKeyBlob)
    .string(namespace)
    .string('') // reserved
    .string(hashAlgorithm)
    .string(signature)
    .bytes();
  const armored = armor(label, blob);
  verifySshsig({ ...claim, armored });
  return armored;
}

/**
 * Throws unless `armored` is this key's signature over this message for this namespace.
 * @throws signature_invalid
 */
export function verifySshsig(claim: SshsigClaim & { readonly armored: string }): VerifiedSignature {
  const { publicKeyBlob, armored, namespace } = claim;
  const blob = armored.length <= longestSshsig ? unarmor(label, armored) : undefined;
  if (blob === undefined) throw invalid('is not one armored SSH signature');

  const reader = readerOf(blob);
  if (!reader.raw(magic.length).equals(magic)) throw invalid('does not start like an SSH signature');
  if (reader.u32() !== version) throw invalid('is of a version that is not known');
  if (!reader.string().equals(publicKeyBlob)) throw invalid('was made with another key');
  if (namespace === '' || reader.text() !== namespace) throw invalid('was made for another purpose');
  if (reader.string().length > 0) throw invalid('has content in its reserved field');
  if (reader.text() !== hashAlgorithm) throw invalid(`must be over ${hashAlgorithm}`);
  const signature = reader.string();
  reader.done();

  return verifySignature({ publicKey: publicKeyBlob, bytes: signedBytes(claim), signature });
}

/** What the key really signs: the purpose and the hash of the message. */
function signedBytes({ message, namespace }: SshsigClaim): Buffer {
  return new WireWriter()
    .raw(magic)
    .string(namespace)
    .string('') // reserved
    .string(hashAlgorithm)
    .string(createHash(hashAlgorithm).update(message).digest())
    .bytes();
}

function readerOf(bytes: Buffer): WireReader {
  return new WireReader(bytes, 'signature_invalid', 'signature');
}

function invalid(problem: string): SallyportError {
  return new SallyportError('signature_invalid', `The signature ${problem}.`);
}
