/** A companion in a process of its own, for companion.ts. Argument: CompanionOptions without clock and log. */
import type { CompanionOptions } from '../src/gateway/companion-options.ts';

// As the command does it: nothing is loaded that only an installation needs.
const { createCompanion } = await import('../src/gateway/companion.ts');
const options: Omit<CompanionOptions, 'clock' | 'log'> = JSON.parse(process.argv[2] ?? '{}');
const companion = createCompanion({ ...options, clock: () => new Date(), log: () => {} });
await companion.start();
await companion.ready;
process.stdout.write('ready\n');
process.once('SIGTERM', () => void companion.stop());
