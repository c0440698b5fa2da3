/**
 * RSA moduli that are known to fall, whatever their length, told by the modulus alone:
 *
 * - with a small prime factor, which no generator of keys leaves;
 * - with two primes close to each other, which Fermat's method finds (CVE-2022-26320; 100 rounds find far more than
 *   chance ever makes);
 * - made by the Infineon library (ROCA, CVE-2017-15361; Nemec et al., "The Return of Coppersmith's Attack", 2017): each
 *   of its primes, and so the modulus, is a power of 65537 modulo every small prime. A sound modulus is so by chance in
 *   less than one case of 2^160.
 *
 * What cannot be told by the modulus: the keys of Debian's broken generator (CVE-2008-0166). Its keys of 1,024 and 2,048
 * bits, which nearly all were, are refused for their length; those of 4,096 bits can only be recognised by a list of
 * all of them: weak-key-list.ts reads one, where the operator has it. Nor can factors that two keys share.
 *
 * Public values only: nothing here has to run in constant time. 16,384 bits take half a millisecond.
 */
export type RsaWeakness = 'small-factor' | 'close-primes' | 'roca';

/** What is known against the odd modulus, or undefined. */
export function rsaWeakness(modulus: bigint): RsaWeakness | undefined {
  const residues = smallPrimes.map((prime) => Number(modulus % BigInt(prime)));
  if (residues.includes(0)) return 'small-factor';
  if (
    smallPrimes.every(
      (prime, index) => prime > largestRocaPrime || isPowerOf65537(residues[index] ?? 0, prime),
    )
  ) {
    return 'roca';
  }
  return hasClosePrimes(modulus) ? 'close-primes' : undefined;
}

/** The library's moduli of 1,984 to 3,936 bits are such powers up to the 126th prime, longer ones further. */
const largestRocaPrime = 701;

const fermatRounds = 100;

/** Odd primes below 1,500. */
const smallPrimes: readonly number[] = Array.from({ length: 749 }, (_, index) => 2 * index + 3).filter(
  (candidate) => {
    for (let divisor = 3; divisor * divisor <= candidate; divisor += 2)
      if (candidate % divisor === 0) return false;
    return true;
  },
);

function isPowerOf65537(residue: number, prime: number): boolean {
  const base = 65_537 % prime;
  let power = 1;
  do {
    if (power === residue) return true;
    power = (power * base) % prime;
  } while (power !== 1);
  return false;
}

/** Fermat: n = a^2 - b^2 = (a + b)(a - b), with a just above the root of n if both factors are close to it. */
function hasClosePrimes(modulus: bigint): boolean {
  const root = squareRoot(modulus);
  let a = root * root === modulus ? root : root + 1n;
  let bSquared = a * a - modulus;
  for (let round = 0; round < fermatRounds; round++) {
    if (isSquare(bSquared)) return true;
    bSquared += 2n * a + 1n;
    a += 1n;
  }
  return false;
}

/** Most numbers that are not squares are none modulo 64, or 63, 65 and 11, either. */
function isSquare(value: bigint): boolean {
  if (!squaresModulo64.has(Number(BigInt.asUintN(6, value)))) return false;
  const residue = Number(value % 45_045n);
  if (
    !squaresModulo63.has(residue % 63) ||
    !squaresModulo65.has(residue % 65) ||
    !squaresModulo11.has(residue % 11)
  ) {
    return false;
  }
  const root = squareRoot(value);
  return root * root === value;
}

const [squaresModulo64, squaresModulo63, squaresModulo65, squaresModulo11] = [64, 63, 65, 11].map(
  squaresModulo,
) as [Set<number>, Set<number>, Set<number>, Set<number>];

function squaresModulo(modulus: number): Set<number> {
  return new Set(Array.from({ length: modulus }, (_, root) => (root * root) % modulus));
}

/** The largest integer whose square is not above the value, by Newton's method from above. */
function squareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let root = 1n << BigInt((value.toString(16).length * 4 + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
