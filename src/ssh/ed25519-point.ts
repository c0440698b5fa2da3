/**
 * What an Ed25519 public key must be before a certificate names it (RFC 8032 section 5.1.3): the only encoding of a
 * point on the curve, and not one of the eight points of low order, for which anybody can make signatures that some
 * verifiers accept. OpenSSH and OpenSSL check neither when they read a key.
 *
 * The curve is -x^2 + y^2 = 1 + d x^2 y^2 over the integers modulo p. A key is y, little-endian, with the sign of x in
 * the top bit. Public values only: nothing here has to run in constant time.
 */
const p = 2n ** 255n - 19n;

/** d = -121665 / 121666 */
const d = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;

export type PointFault = 'length' | 'not-canonical' | 'not-on-curve' | 'low-order';

/** What is wrong with the 32 bytes of a public key, or undefined for a good one. */
export function ed25519PointFault(key: Uint8Array): PointFault | undefined {
  if (key.length !== 32) return 'length';
  const y = BigInt.asUintN(255, littleEndian(key));
  if (y >= p) return 'not-canonical';

  // The curve equation solved for x^2 = u / v. v is never 0, because -1/d is not a square.
  const ySquared = (y * y) % p;
  const u = ySquared - 1n;
  const v = d * ySquared + 1n;

  // Order 1: y = 1. Order 2: y = -1. Order 4: y = 0. A point of order 8 doubles to one of order 4, and the y of a
  // double is (x^2 + y^2) / (2 + x^2 - y^2), so there x^2 + y^2 = 0. With x = 0 gone, both signs of x are canonical.
  if (y === 0n || y === 1n || y === p - 1n || modulo(u + ySquared * v) === 0n) return 'low-order';

  // u / v is a square exactly if u * v is one (Euler's criterion).
  return power(modulo(u * v), (p - 1n) / 2n) === 1n ? undefined : 'not-on-curve';
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

function modulo(value: bigint): bigint {
  const remainder = value % p;
  return remainder < 0n ? remainder + p : remainder;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % p;
    square = (square * square) % p;
  }
  return result;
}
