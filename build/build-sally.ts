/**
 * `npm run build:sally`: sally, and the companion for Linux, as executable files below dist/sally, with what installs them:
 * for the machine that builds, or for others, whose Node npm then brings.
 *
 *   npm run build:sally -- --platform all --release-key release.pub
 *
 * Whoever would rather have Node from elsewhere names the file: --node linux-arm64=node-v24.21.0-linux-arm64/bin/node
 * On macOS an executable must be signed before it runs there: codesign --sign - dist/sally/sally-*-darwin-arm64
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleOne, root } from './bundle.ts';
import { companionNodeOptions, companionProgram } from './companion-program.ts';
import { writeExecutable } from './executable.ts';
import { writeInstallers } from './installers.ts';
import { checkVersion, nodeOf, nodePackages } from './node-binaries.ts';
import { type Platform, platformsNamed, thisPlatform } from './platforms.ts';
import { readReleaseKeys } from './release-keys.ts';
import { builtModule } from './sally-package.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, 'dist', 'sally') },
    platform: { type: 'string', multiple: true },
    program: { type: 'string', multiple: true },
    node: { type: 'string', multiple: true, default: [] },
    'release-key': { type: 'string', multiple: true },
  },
});
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const releaseKeys = await readReleaseKeys(values['release-key']);
const wanted = platformsNamed(values.platform);
const given = new Map(values.node.map((pair) => pair.split('=', 2) as [string, string]));
const workFolder = await mkdtemp(join(tmpdir(), 'sallyport-executables-'));
try {
  for (const platform of wanted) await buildFor(platform);
} finally {
  await rm(workFolder, { recursive: true, force: true });
}
if (wants('sally')) await writeInstallers(values.out, { version, releaseKeys });

async function buildFor(platform: Platform): Promise<void> {
  const packages = await nodePackages(platform, thisPlatform());
  const named = given.get(platform.name);
  if (named !== undefined) await checkVersion(named, packages.node);
  const node = named ?? (await nodeOf(packages.node, platform, workFolder));
  const maker = await nodeOf(packages.maker, thisPlatform(), workFolder);
  for (const { name, program, nodeOptions } of await programsFor(platform)) {
    const to = join(values.out, `${name}-${version}-${platform.name}${platform.extension}`);
    await writeExecutable({ program, nodeOptions, node, maker, platform, workFolder, to });
    process.stdout.write(`${to}\n`);
  }
}

async function programsFor({ name }: Platform) {
  const found: { name: string; program: string; nodeOptions: readonly string[] }[] = [];
  if (wants('sally')) found.push({ name: 'sally', program: await sallyProgram(), nodeOptions: [] });
  if (wants('sallyport-companion') && name.startsWith('linux')) {
    const program = await companionProgram();
    found.push({ name: 'sallyport-companion', program, nodeOptions: companionNodeOptions });
  }
  return found;
}

async function sallyProgram(): Promise<string> {
  const { files } = await bundleOne({
    entry: 'src/sally.ts',
    replaced: builtModule({ version, packaging: 'executable', releaseKeys }),
    filename: 'process.execPath',
  });
  return files.get('one.cjs') ?? '';
}

function wants(name: string): boolean {
  return !values.program || values.program.includes(name);
}
