/**
 * What holds a CA's private key. So small that a hardware module or a cloud's key service fits behind it; a signer never
 * writes or shows its key, and whoever calls it checks what it returns. `signers/` holds the kinds there are.
 */
import type { SignatureAlgorithm } from '../ssh/signature.ts';

export interface Signer {
  /** SSH public key blob. */
  readonly publicKey: Buffer;
  /** What it signs with; for an RSA key rsa-sha2-512. */
  readonly algorithm: SignatureAlgorithm;
  /** The SSH signature blob over the bytes (ssh/signature.ts). */
  sign(bytes: Uint8Array): Promise<Buffer>;
}

/** A signer that holds something open: a connection, a process, a key in memory. */
export interface OpenSigner extends Signer {
  close(): Promise<void>;
}
