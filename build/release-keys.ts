/** The public keys whose signatures a program that is built will believe about newer versions. */
import { readFile } from 'node:fs/promises';
import { parsePublicKeyLine, publicKeyLine } from '../src/ssh/public-key.ts';

/** @param files with a public key each, as ssh-keygen writes it; comments stay behind */
export async function readReleaseKeys(files: readonly string[] = []): Promise<string[]> {
  const lines = await Promise.all(files.map(async (file) => (await readFile(file, 'utf8')).trim()));
  return lines.map((line) => publicKeyLine({ blob: parsePublicKeyLine(line).blob }).trim());
}
