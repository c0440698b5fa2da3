/** `npm run tour`. */
import { join } from 'node:path';
import { runTour } from './dev/tour/run-tour.ts';
import { isSallyportError } from './errors/sallyport-error.ts';

try {
  const root = join(import.meta.dirname, '..');
  process.exitCode = await runTour({ args: process.argv.slice(2), root, stdout: process.stdout });
} catch (error) {
  process.stderr.write(`tour: ${isSallyportError(error) ? error.message : (error as Error).stack}\n`);
  process.exitCode = 1;
}
