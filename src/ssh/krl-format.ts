/** The numbers of OpenSSH's PROTOCOL.krl, and the one limit that it does not mention. */

/** "SSHKRL\n\0" */
export const krlMagic = 0x5353484b524c0a00n;
export const krlFormatVersion = 1;

/** KRL_SECTION_*. Signatures (4) and extensions (255) are neither written nor read: versions of sshd differ about them. */
export const sectionNumbers = { certificates: 1, keys: 2, sha1: 3, sha256: 5 } as const;

/** Bytes of one hash in a section of them. */
export const digestBytes = { sha1: 20, sha256: 32 } as const;

/** KRL_SECTION_CERT_*: the ways to name certificates inside a section. Extensions (0x39) are not used either. */
export const serialList = 0x20;
export const serialRange = 0x21;
export const serialBitmap = 0x22;
export const keyIdList = 0x23;

/**
 * The longest bitmap that sshd takes (SSHBUF_MAX_BIGNUM of its sshbuf.h, a zero byte before a set top bit not counted).
 * It refuses the whole file over a longer one, and with it every login.
 */
export const largestBitmapBits = 16_384;
