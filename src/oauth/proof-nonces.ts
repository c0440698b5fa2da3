/**
 * The nonces that DPoP proofs must hold (RFC 9449 sections 8 and 9), against proofs made in advance. Nothing is stored:
 * a nonce is derived from a key that all server processes share and from the minute, and is good for the minutes around
 * it. Derived exactly as oidc-provider derives those of its own endpoints, so that a client which keeps one nonce for
 * each origin, as clients do, is not asked for another whenever it changes between them.
 */
import { hkdfSync, timingSafeEqual } from 'node:crypto';

export interface ProofNonces {
  /** What is sent in DPoP-Nonce. */
  current(now: Date): string;
  accepts(nonce: string, now: Date): boolean;
}

const stepMilliseconds = 60_000;
/** In steps from the present one; the one that is given out stands between them. */
const accepted = [-2, -1, 0, 1, 2];
const given = 1;

/** @param key 32 bytes, the same on every server process */
export function createProofNonces(key: Buffer): ProofNonces {
  const stepAt = (now: Date) => Math.floor(now.getTime() / stepMilliseconds);
  return {
    current: (now) => nonceOf(key, stepAt(now) + given).toString('base64url'),
    accepts: (nonce, now) => {
      const bytes = Buffer.from(nonce, 'base64url');
      // Lenient decoding would let two texts be one nonce.
      if (bytes.length !== nonceBytes || bytes.toString('base64url') !== nonce) return false;
      return accepted.some((step) => timingSafeEqual(nonceOf(key, stepAt(now) + step), bytes));
    },
  };
}

const nonceBytes = 32;

function nonceOf(key: Buffer, step: number): Buffer {
  const salt = Buffer.alloc(8);
  salt.writeBigUInt64BE(BigInt(step));
  return Buffer.from(hkdfSync('sha256', key, salt, 'DPoP', nonceBytes));
}
