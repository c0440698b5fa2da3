/**
 * Key revocation lists (OpenSSH PROTOCOL.krl): certificates revoked by serial or key ID, one section per CA key, and
 * keys revoked as they are or by their hash. A serial under the wrong CA's section is not revoked.
 */
import type { SerialRange } from './serial-ranges.ts';

export interface CertificatesSection {
  readonly kind: 'certificates';
  /** Null: of whatever CA. */
  readonly caPublicKey: Buffer | null;
  /** In any order. */
  readonly serials: readonly bigint[];
  /** Whole ranges, such as everything before a restore. */
  readonly ranges?: readonly SerialRange[];
  /** sshd compares them exactly: another case or a trailing blank is another key ID. Serials are the safe way. */
  readonly keyIds?: readonly string[];
}

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

/** "SSHKRL\n\0" */
export const krlMagic = 0x5353484b524c0a00n;
export const krlFormatVersion = 1;

/** KRL_SECTION_*. Signatures (4) and extensions (255) are neither written nor read: versions of sshd differ about them. */
export const sectionNumbers = { certificates: 1, keys: 2, sha1: 3, sha256: 5 } as const;

/** KRL_SECTION_CERT_*: the ways to name certificates inside a section. Extensions (0x39) are not used either. */
export const serialList = 0x20;
export const serialRange = 0x21;
export const serialBitmap = 0x22;
export const keyIdList = 0x23;
