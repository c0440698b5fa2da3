import { checkPrimeSync, generateKeyPairSync, generatePrimeSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { rsaWeakness } from '../../src/ssh/rsa-weakness.ts';
import { rsaLine } from './raw-key-line.ts';
import { refusalOf } from './refusal.ts';

/** The first prime of `start`, `start + step` ... */
function primeFrom(start: bigint, step: bigint): bigint {
  let candidate = start;
  while (!checkPrimeSync(candidate)) candidate += step;
  return candidate;
}

function refused(modulus: bigint): [code: string, message: string] {
  const { code, message } = refusalOf(() => parsePublicKeyLine(rsaLine(65_537n, modulus)));
  return [code, message];
}

const prime = generatePrimeSync(1536, { bigint: true });

describe('[abuse 40] the ROCA family', () => {
  test('is told by the modulus of a real chip', () => {
    // Published as a positive sample by the finders (crocs-muni/roca, mod03.txt).
    const modulus =
      0x9dcd7420e420c270a68060eb8b5aa7457a9f6648f86fafed2775cc1f79ae962f1e63f1b9e51c55f9ea6fdc7332e9b0058c9ff2eb1fc89855029cf6aafe21e689feb38ac9ffb12f1ce371bb5d0e9aae64161abce74b4244bf68f1edb4411f756a097c8929c14740245ea355f8332d1aa36bb50c7dcb4505da8de02e4e53d38f8df06097da7524df0df93db48eac8cc4af2d3a16257eb2b2adca6ba464e5974fa92550d31b1babf161e7692d00b86e3dd886ecab4abfbe1a8f8cc263ff4af55cdb45f4249a5193925f5e983d762f0b6800943eb0267b08f42ed311ce1f5c86eacbc8ce4d3cb7a2fee1ef5641423a1cf4114e5ecf50034a60a412523af9e6f4aa11n;
    expect(rsaWeakness(modulus)).toBe('roca');
  });

  test('is refused in a key of 3,072 bits that is made as the chips made theirs', () => {
    // M is the product of the first 126 primes; a prime is k M + (65537^a mod M).
    let product = 2n;
    for (let candidate = 3n; candidate <= 701n; candidate += 2n) {
      if (checkPrimeSync(candidate)) product *= candidate;
    }
    const chipPrime = (a: number, k: bigint) => {
      let power = 1n;
      for (let i = 0; i < a; i++) power = (power * 65_537n) % product;
      return primeFrom(((3n * 2n ** 1534n) / product + k) * product + power, product);
    };
    const modulus = chipPrime(12_345, 3n ** 300n) * chipPrime(54_321, 5n ** 230n);
    expect(refused(modulus)).toEqual(['key_weak', expect.stringContaining('ROCA')]);
  });
});

describe('[abuse 40] primes that are close to each other', () => {
  test.each([
    ['the next one', () => primeFrom(prime + 2n, 2n)],
    ['one that differs in its lower half', () => primeFrom(prime + 2n ** 768n, 2n)],
    ['the same', () => prime],
  ])('are found where the second is %s', (_, second) => {
    expect(refused(prime * second())).toEqual(['key_weak', expect.stringContaining('close to each other')]);
  });
});

test('[abuse 40] a small factor is found', () => {
  for (const factor of [3n, 701n, 1_499n]) {
    expect(refused(factor * prime * prime)).toEqual([
      'key_weak',
      expect.stringContaining('small prime factor'),
    ]);
  }
});

test('[abuse 40] a sound modulus is let through', () => {
  for (let round = 0; round < 4; round++) {
    const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 3072 }).publicKey.export({
      format: 'jwk',
    });
    expect(rsaWeakness(BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`))).toBeUndefined();
  }
});
