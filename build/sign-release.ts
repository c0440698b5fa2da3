/**
 * Signs what `npm run build:sally` has made, for install.sh and `sally update-check`:
 *
 *   node build/sign-release.ts --key release_ed25519 --number 42 [--days 60] [dist/sally]
 *
 * The number must be larger than that of every release before. Sign again, with a larger number, before the days are over.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './bundle.ts';
import { checksums, filesOf, signedRelease } from './release.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { key: { type: 'string' }, number: { type: 'string' }, days: { type: 'string', default: '60' } },
});
const [folder = join(root, 'dist', 'sally')] = positionals;
if (!values.key || !values.number) {
  process.stderr.write('sign-release: --key FILE and --number N are needed\n');
  process.exit(1);
}
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const files = await filesOf(folder);
const issuedAt = new Date();
const expiresAt = new Date(issuedAt.getTime() + Number(values.days) * 86_400_000);
const manifest = { program: 'sally', number: Number(values.number), version, issuedAt, expiresAt, files };
await writeFile(join(folder, 'SHA256SUMS'), checksums(files));
await writeFile(join(folder, 'sally.release'), signedRelease(manifest, values.key));
process.stdout.write(`Signed ${files.length} files of version ${version} in ${folder}.\n`);
