/**
 * Key revocation lists (OpenSSH PROTOCOL.krl), as far as a certificate authority needs them: certificates revoked by
 * serial, one section per CA key. A serial under the wrong CA's section is not revoked.
 */
import type { SerialRange } from './serial-ranges.ts';

export interface KrlSection {
  readonly caPublicKey: Buffer;
  readonly serials: readonly bigint[];
  /** Whole ranges, such as everything before a restore. */
  readonly ranges?: readonly SerialRange[];
}

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

/** KRL_SECTION_CERTIFICATES, the only kind of section that is written or read here. */
export const certificateSection = 1;

/** KRL_SECTION_CERT_*: the ways to name serials inside it. */
export const serialList = 0x20;
export const serialRange = 0x21;
export const serialBitmap = 0x22;
