/**
 * Checks that something holds for whatever fast-check makes of the arbitraries. A failure prints the seed and the
 * smallest inputs that fail; with them in the environment the same run comes again, or a longer one.
 */
import fc from 'fast-check';

const seed = process.env['SALLYPORT_PROPERTY_SEED'];
const times = Number(process.env['SALLYPORT_PROPERTY_RUNS'] ?? 1);

/** @param runs how many inputs are tried in an ordinary run */
export async function holds<Inputs extends [unknown, ...unknown[]]>(
  runs: number,
  arbitraries: { [Index in keyof Inputs]: fc.Arbitrary<Inputs[Index]> },
  isSo: (...inputs: Inputs) => void | Promise<void>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty<Inputs>(...arbitraries, async (...inputs) => await isSo(...inputs)),
    { numRuns: runs * times, ...(seed === undefined ? {} : { seed: Number(seed) }) },
  );
}
