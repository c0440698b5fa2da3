/** What an RSA public key must be before a certificate names it, or a signature by it counts. */
import type { ErrorCode } from '../errors/codes.ts';
import { type RsaWeakness, rsaWeakness } from './rsa-weakness.ts';

/** RSA below this is refused by current guidance (NIST SP 800-57: 3072 bits for 128-bit security). */
const smallestModulus = 3072;
/** The largest modulus, and the longest exponent, that OpenSSL works with (OPENSSL_RSA_MAX_MODULUS_BITS, _PUBEXP_BITS). */
const largestModulus = 16_384;
const largestExponent = 2n ** 64n;

export interface RsaKey {
  readonly exponent: bigint;
  readonly modulus: bigint;
}

export interface RsaFault {
  readonly code: ErrorCode;
  readonly problem: string;
}

/** What is wrong with the key, or undefined for one with which nothing is known to be wrong. */
export function rsaKeyFault({ exponent, modulus }: RsaKey): RsaFault | undefined {
  const bits = bitLength(modulus);
  if (bits < smallestModulus) {
    return weak(`The RSA key has ${bits} bits; fewer than ${smallestModulus} are too weak.`);
  }
  if (bits > largestModulus) {
    return {
      code: 'key_type_refused',
      problem: `The RSA key has ${bits} bits; more than ${largestModulus} are not handled.`,
    };
  }
  if (modulus % 2n === 0n) return weak('The modulus of the RSA key is even.');
  if (exponent < 3n || exponent % 2n === 0n || exponent >= largestExponent) {
    return weak('The public exponent of the RSA key must be odd, at least 3 and below 2^64.');
  }
  const weakness = rsaWeakness(modulus);
  return weakness && weak(`The RSA key ${weaknesses[weakness]}.`);
}

const weaknesses: Readonly<Record<RsaWeakness, string>> = {
  'small-factor': 'has a small prime factor',
  'close-primes': 'is made of two primes that are close to each other (CVE-2022-26320)',
  roca: 'was made by a security chip whose keys can be broken (ROCA, CVE-2017-15361)',
};

/** Of a positive number. */
export function bitLength(value: bigint): number {
  const hex = value.toString(16);
  return hex.length * 4 - Math.clz32(Number.parseInt(hex.charAt(0), 16)) + 28;
}

function weak(problem: string): RsaFault {
  return { code: 'key_weak', problem };
}
