/** A program as one executable file: Node's own, with the program inside (nodejs.org/api/single-executable-applications). */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'postject';
import type { Platform } from './platforms.ts';

const run = promisify(execFile);
/** What Node looks for in itself to see whether there is a program in it. */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const macSegment = 'NODE_SEA';

export interface ExecutableOptions {
  /** CommonJS, without anything beside it. */
  readonly program: string;
  /** Options of Node that it always runs with. */
  readonly nodeOptions: readonly string[];
  /** Node itself, of the platform that the result is for. */
  readonly node: string;
  /** Node of the same version, which runs here: a program is packed in a form that only its own version reads. */
  readonly maker: string;
  readonly platform: Platform;
  /** A folder for what is only needed meanwhile. */
  readonly workFolder: string;
  readonly to: string;
}

export async function writeExecutable(options: ExecutableOptions): Promise<void> {
  const { node, maker, platform, workFolder, to } = options;
  const packed = await pack(options, node === maker);
  const made = join(workFolder, 'made');
  await copyFile(node, made);
  await chmod(made, 0o755);
  const isMac = platform.name.startsWith('darwin');
  await inject(made, 'NODE_SEA_BLOB', packed, {
    sentinelFuse: fuse,
    ...(isMac && { machoSegmentName: macSegment }),
  });
  // Not before: it would be Node alone, under our name.
  await mkdir(dirname(to), { recursive: true });
  await copyFile(made, to);
}

/** @param isAtHome compiled code is of one platform: that which makes it */
async function pack(
  { program, nodeOptions, maker, workFolder }: ExecutableOptions,
  isAtHome: boolean,
): Promise<Buffer> {
  const [main, output, config] = ['main.cjs', 'packed', 'config.json'].map((name) => join(workFolder, name));
  if (!main || !output || !config) throw new Error('unreachable');
  await writeFile(main, program);
  const settings = {
    main,
    output,
    useCodeCache: isAtHome,
    disableExperimentalSEAWarning: true,
    execArgv: nodeOptions,
    execArgvExtension: 'none',
  };
  await writeFile(config, JSON.stringify(settings));
  await run(maker, ['--experimental-sea-config', config]);
  return await readFile(output);
}
