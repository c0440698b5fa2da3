/**
 * Key revocation lists (OpenSSH PROTOCOL.krl): certificates revoked by serial or key ID, one section per CA key, and
 * keys revoked as they are or by their hash. A serial under the wrong CA's section is not revoked.
 */
import type { SerialRange } from './serial-ranges.ts';
import type { SerialSet } from './serial-set.ts';

export type CertificatesSection = {
  readonly kind: 'certificates';
  /** Null: of whatever CA. */
  readonly caPublicKey: Buffer | null;
  /** sshd compares them exactly: another case or a trailing blank is another key ID. Serials are the safe way. */
  readonly keyIds?: readonly string[];
} & (
  | {
      /** In any order. */
      readonly serials: readonly bigint[] | BigUint64Array;
      /** Whole ranges, such as everything before a restore. */
      readonly ranges?: readonly SerialRange[];
    }
  /** Encoded again only where it changed. Its ranges are in it. */
  | { readonly serials: SerialSet; readonly ranges?: undefined }
);

export type KrlSection =
  | CertificatesSection
  /** Public keys, and every certificate for one or by one of them. */
  | { readonly kind: 'keys'; readonly blobs: readonly Buffer[] }
  /** The same by the hash of the key's blob: 20 or 32 bytes. */
  | { readonly kind: 'sha1' | 'sha256'; readonly digests: readonly Buffer[] };

export interface Krl {
  readonly version: bigint;
  /** Unix seconds. */
  readonly generatedAt: bigint;
  readonly comment: string;
  readonly sections: readonly KrlSection[];
}
