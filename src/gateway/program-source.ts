/** The sources of the small programs beside sshd. A companion that is one file has them inside: the build replaces this. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export function programSource(name: string): string {
  return readFileSync(join(import.meta.dirname, 'programs', name), 'utf8');
}
