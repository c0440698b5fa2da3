/**
 * Detached signatures (OpenSSH PROTOCOL.sshsig), as `ssh-keygen -Y sign` and `-Y verify` make and check them: Ed25519
 * over SHA-512 only. The namespace keeps a signature made for one purpose from serving another.
 */
import { createHash, verify } from 'node:crypto';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { acceptedKeyType } from './key-types.ts';
import { armor, unarmor } from './pem.ts';
import { toKeyObject } from './public-key.ts';
import { WireReader, WireWriter } from './wire.ts';

const label = 'SSH SIGNATURE';
const magic = Buffer.from('SSHSIG');
const version = 1;
const hashAlgorithm = 'sha512';

/** Far above the 300 characters of an Ed25519 signature with a long namespace. */
const longestArmored = 4096;

export interface SshsigClaim {
  readonly message: Uint8Array;
  /** What the signature is for, such as "pop@example.org". */
  readonly namespace: string;
  /** Blob of the ssh-ed25519 key that signs. */
  readonly publicKeyBlob: Buffer;
}

/**
 * Signs and checks the result before it leaves.
 * @param sign gives the raw 64-byte Ed25519 signature of the bytes
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
    .string(new WireWriter().string(acceptedKeyType).string(signature).bytes())
    .bytes();
  const armored = armor(label, blob);
  verifySshsig({ ...claim, armored });
  return armored;
}

/**
 * Throws unless `armored` is this key's signature over this message for this namespace.
 * @throws signature_invalid
 */
export function verifySshsig(claim: SshsigClaim & { readonly armored: string }): void {
  const { publicKeyBlob, armored, namespace } = claim;
  const blob = armored.length <= longestArmored ? unarmor(label, armored) : undefined;
  if (blob === undefined) throw invalid('is not one armored SSH signature');

  const reader = readerOf(blob);
  if (!reader.raw(magic.length).equals(magic)) throw invalid('does not start like an SSH signature');
  if (reader.u32() !== version) throw invalid('is of a version that is not known');
  if (!reader.string().equals(publicKeyBlob)) throw invalid('was made with another key');
  if (namespace === '' || reader.text() !== namespace) throw invalid('was made for another purpose');
  if (reader.string().length > 0) throw invalid('has content in its reserved field');
  if (reader.text() !== hashAlgorithm) throw invalid(`must be over ${hashAlgorithm}`);
  const signature = readSignature(reader.string());
  reader.done();

  if (!verify(null, signedBytes(claim), keyOf(publicKeyBlob), signature)) throw invalid('does not match');
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

function readSignature(packed: Buffer): Buffer {
  const reader = readerOf(packed);
  const type = reader.text();
  const signature = reader.string();
  reader.done();
  if (type !== acceptedKeyType) throw invalid('is not an Ed25519 signature');
  return signature;
}

function keyOf(publicKeyBlob: Buffer) {
  try {
    return toKeyObject(publicKeyBlob);
  } catch (error) {
    if (isSallyportError(error)) throw invalid('belongs to a key that is not acceptable');
    throw error;
  }
}

function readerOf(bytes: Buffer): WireReader {
  return new WireReader(bytes, 'signature_invalid', 'signature');
}

function invalid(problem: string): SallyportError {
  return new SallyportError('signature_invalid', `The signature ${problem}.`);
}
