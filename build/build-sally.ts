/**
 * `npm run build:sally`: sally, and the companion for Linux, as executable files below dist/sally, with what installs them.
 * npm installs Node for the platform that it runs on: for the others name the file, as
 *
 *   npm run build:sally -- --node darwin-arm64=node-v24.21.0-darwin-arm64/bin/node --release-key release.pub
 *
 * On macOS an executable must be signed before it runs there: codesign --sign - dist/sally/sally-*-darwin-arm64
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleOne, root } from './bundle.ts';
import { companionProgram } from './companion-program.ts';
import { nodeFor, type Platform, platforms, writeExecutable } from './executable.ts';
import { writeInstallers } from './installers.ts';
import { readReleaseKeys } from './release-keys.ts';
import { builtModule } from './sally-package.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, 'dist', 'sally') },
    node: { type: 'string', multiple: true, default: [] },
    only: { type: 'string', multiple: true },
    program: { type: 'string', multiple: true },
    'release-key': { type: 'string', multiple: true },
  },
});
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const releaseKeys = await readReleaseKeys(values['release-key']);
const given = new Map(values.node.map((pair) => pair.split('=', 2) as [string, string]));

const { files } = await bundleOne({
  entry: 'src/sally.ts',
  replaced: builtModule({ version, packaging: 'executable', releaseKeys }),
  filename: 'process.execPath',
});
const programs = [
  { name: 'sally', program: files.get('one.cjs') ?? '', on: () => true },
  { name: 'sallyport-companion', program: await companionProgram(), on: isLinux },
];
for (const platform of platforms) {
  if (values.only && !values.only.includes(platform.name)) continue;
  const node = given.get(platform.name) ?? (await nodeFor(platform));
  if (node === undefined) {
    process.stdout.write(
      `${platform.name}: left out, no Node for it here. Name it: --node ${platform.name}=FILE\n`,
    );
    continue;
  }
  for (const { name, program, on } of programs) {
    if (!on(platform) || (values.program && !values.program.includes(name))) continue;
    const to = join(values.out, `${name}-${version}-${platform.name}${platform.extension}`);
    await writeExecutable({ program, node, platform, to });
    process.stdout.write(`${to}\n`);
  }
}
await writeInstallers(values.out, { version, releaseKeys });

function isLinux({ name }: Platform): boolean {
  return name.startsWith('linux');
}
