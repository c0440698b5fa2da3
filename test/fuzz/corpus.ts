/**
 * Inputs that are kept, one folder for each parser: seeds with a name, and what fuzzing found, named by its hash. Each is
 * replayed by an ordinary test and changed by fuzzing. Keys in it were made for it and open nothing.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('corpus/', import.meta.url));

export interface CorpusFile {
  readonly name: string;
  readonly input: Buffer;
}

export function readCorpus(parser: string): CorpusFile[] {
  const own = `${folder}${parser}`;
  if (!existsSync(own)) return [];
  return readdirSync(own)
    .sort()
    .map((name) => ({ name, input: readFileSync(`${own}/${name}`) }));
}

export function addToCorpus(parser: string, input: Buffer, name = hashOf(input)): string {
  mkdirSync(`${folder}${parser}`, { recursive: true });
  const file = `${folder}${parser}/${name}`;
  writeFileSync(file, input);
  return file;
}

function hashOf(input: Buffer): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 16);
}
