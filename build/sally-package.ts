/** `@sallyport/sally`: one program without dependencies, for every machine with Node 24. */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleParts, root } from './bundle.ts';
import { notices } from './notices.ts';

export interface SallyFacts {
  readonly version: string;
  readonly packaging: 'npm' | 'executable';
  readonly releaseKeys: readonly string[];
}

/** The module that says how this `sally` was made. */
export function builtModule(facts: SallyFacts): Record<string, string> {
  return { 'src/cli/built.ts': `export const built = ${JSON.stringify(facts)};` };
}

export async function writeSallyPackage(folder: string, facts: Omit<SallyFacts, 'packaging'>): Promise<void> {
  const { files, packages } = await bundleParts({
    entry: 'src/sally.ts',
    replaced: builtModule({ ...facts, packaging: 'npm' }),
    filename: entryOfPackage,
  });
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, 'lib'), { recursive: true });
  for (const [name, text] of files) await writeFile(join(folder, 'lib', name), text);
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'bin', 'sally.cjs'), launcher);
  await chmod(join(folder, 'bin', 'sally.cjs'), 0o755);
  const { description, license } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const manifest = {
    name: '@sallyport/sally',
    version: facts.version,
    description,
    license,
    type: 'commonjs',
    bin: { sally: 'bin/sally.cjs' },
    engines: { node: '>=24' },
    files: ['bin', 'lib', 'man', 'NOTICES'],
    man: ['man/sally.1'],
  };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await writeFile(join(folder, 'NOTICES'), await notices(packages));
  await mkdir(join(folder, 'man'));
  await writeFile(join(folder, 'man', 'sally.1'), await readFile(join(root, 'deploy', 'man', 'sally.1')));
  await writeFile(join(folder, 'README.md'), readme);
}

/** What ssh is told to start: with the cache. */
const entryOfPackage = 'require("node:path").join(__dirname,"..","bin","sally.cjs")';

const readme = `# sally

The helper of Sallyport: log in once in the browser, and plain \`ssh\`, \`scp\`, \`sftp\`, \`rsync\`, \`git\` and every editor work.

    npm install --global @sallyport/sally
    sally login --server https://ssh.example.com
`;

/**
 * What is loaded is kept compiled, in a folder that nobody else can write: compiled code is believed as it is. An older
 * Node reads this file too, so it is plain.
 */
const launcher = `#!/usr/bin/env node
'use strict';
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write('sally: Node 24 or newer is needed, this is ' + process.version + '.\\n');
  process.exit(1);
}
const { lstatSync, mkdirSync } = require('node:fs');
const { join, isAbsolute } = require('node:path');
const { XDG_CACHE_HOME, HOME, LOCALAPPDATA } = process.env;
const caches = process.platform === 'win32' ? LOCALAPPDATA : XDG_CACHE_HOME || (HOME && join(HOME, '.cache'));
if (caches && isAbsolute(caches)) {
  try {
    const folder = join(caches, 'sally');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(folder);
    const isOurs = lstatSync(folder).isDirectory() && uid === process.getuid() && (mode & 0o022) === 0;
    if (isOurs) require('node:module').enableCompileCache(folder);
  } catch {
    // Without it everything is the same, only later.
  }
}
require('../lib/sally.js');
`;
