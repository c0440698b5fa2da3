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

  return isSquare(modulo(u * v)) ? undefined : 'not-on-curve'; // u / v is one exactly if u * v is.
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

function modulo(value: bigint): bigint {
  const remainder = value % p;
  return remainder < 0n ? remainder + p : remainder;
}

/** Euler's criterion: x^((p - 1) / 2) = 1. The exponent is 2^254 - 10 = 16 * (2^250 - 1) + 6. */
function isSquare(x: bigint): boolean {
  // ones(n) is x^(2^n - 1); two of them side by side make a longer one.
  const join = (head: bigint, tail: bigint, tailLength: number) => (squared(head, tailLength) * tail) % p;
  const ones2 = join(x, x, 1);
  const ones4 = join(ones2, ones2, 2);
  const ones5 = join(ones4, x, 1);
  const ones10 = join(ones5, ones5, 5);
  const ones20 = join(ones10, ones10, 10);
  const ones40 = join(ones20, ones20, 20);
  const ones50 = join(ones40, ones10, 10);
  const ones100 = join(ones50, ones50, 50);
  const ones200 = join(ones100, ones100, 100);
  const ones250 = join(ones200, ones50, 50);
  return join(ones250, squared(ones2, 1), 4) === 1n;
}

function squared(value: bigint, times: number): bigint {
  let result = value;
  for (let round = 0; round < times; round++) result = (result * result) % p;
  return result;
}
