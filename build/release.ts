/** What a release says of itself (src/cli/release/manifest.ts), made and signed. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ReleaseFile,
  type ReleaseManifest,
  releaseNamespace,
  releaseText,
} from '../src/cli/release/manifest.ts';

/** Everything in the folder but what is made of it. */
export async function filesOf(folder: string): Promise<ReleaseFile[]> {
  const names = (await readdir(folder))
    .filter((name) => !['SHA256SUMS', 'sally.release'].includes(name))
    .sort();
  return await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(folder, name));
      return { name, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    }),
  );
}

/** As `sha256sum --check` reads it. */
export function checksums(files: readonly ReleaseFile[]): string {
  return files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join('');
}

/** @param key a private key, or the public half of one that an agent or a security key holds */
export function signedRelease(manifest: ReleaseManifest, key: string): string {
  const text = releaseText(manifest);
  const { status, stdout, stderr, error } = spawnSync(
    'ssh-keygen',
    ['-q', '-Y', 'sign', '-f', key, '-n', releaseNamespace],
    { input: text, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] },
  );
  if (status !== 0) throw new Error(`ssh-keygen did not sign: ${error?.message ?? stderr}`);
  return `${text}${stdout}`;
}
