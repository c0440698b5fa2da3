/** The companion of gateways and hosts in one file, with the small programs that it builds or writes on its machine. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleOne, root } from './bundle.ts';

/** As the units of deploy/systemd have them: it runs for months beside other things (npm run bench:companion). */
export const companionNodeOptions: readonly string[] = [
  '--max-semi-space-size=1',
  '--max-old-space-size=256',
];

export async function companionProgram(): Promise<string> {
  const folder = join(root, 'src', 'gateway', 'programs');
  const names = await readdir(folder);
  const sources = await Promise.all(
    names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const),
  );
  const { files } = await bundleOne({
    entry: 'src/companion.ts',
    replaced: {
      'src/gateway/program-source.ts': `const sources = ${JSON.stringify(Object.fromEntries(sources))};
export const programSource = (name) => sources[name];`,
    },
    filename: 'process.execPath',
  });
  return files.get('one.cjs') ?? '';
}
