/** What this `sally` was made as: here from the source tree. The build puts constants in this file's place. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Built {
  readonly version: string;
  /** How it came to its machine: by git, by npm, or as one file. */
  readonly packaging: 'source' | 'npm' | 'executable';
  /** Public keys of those who sign releases. */
  readonly releaseKeys: readonly string[];
}

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'));

export const built: Built = { version, packaging: 'source', releaseKeys: [] };
