/** A signer as each scheme opens it, before limited-signer.ts puts a deadline and a circuit breaker around it. */
import type { SignatureAlgorithm } from '../../ssh/signature.ts';
import type { SignerSurroundings } from './surroundings.ts';

export interface BareSigner {
  /** SSH public key blob, as the holder of the key gives it; not checked yet. */
  readonly publicKey: Buffer;
  readonly algorithm: SignatureAlgorithm;
  /**
   * The SSH signature blob over the bytes; not checked yet.
   * @param signal aborted at the deadline: nobody waits for the signature any more
   */
  sign(bytes: Uint8Array, signal: AbortSignal): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * Opens what a URI names after its scheme.
 * @throws settings_invalid, file_refused, signer_failed, each with a message for the operator
 */
export type OpenScheme = (
  rest: string,
  surroundings: SignerSurroundings,
  signal: AbortSignal,
) => Promise<BareSigner>;
