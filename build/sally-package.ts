/** `@sallyport/sally`: one program without dependencies, for every machine with Node 24. */
import { createHash } from 'node:crypto';
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
  const mark = createHash('sha256')
    .update(files.get('sally.js') ?? '')
    .digest('hex')
    .slice(0, 16);
  await writeFile(join(folder, 'bin', 'sally.cjs'), launcher(mark));
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
 * What is loaded is kept compiled, in a folder that nobody else can write: compiled code is believed as it is. Node's own
 * cache holds of a file only what is compiled before it runs, which is little; so the main file is kept as it is when a
 * command has ended, by command. An older Node reads this file too, so it is plain.
 * @param mark of the main file's text: V8 looks at no more than how long it is
 */
const launcher = (mark: string) => `#!/usr/bin/env node
'use strict';
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write('sally: Node 24 or newer is needed, this is ' + process.version + '.\\n');
  process.exit(1);
}
const fs = require('node:fs');
const { join, isAbsolute } = require('node:path');
const { Script } = require('node:vm');
const mark = '${mark}';
const lib = join(__dirname, '..', 'lib');

function cacheFolder() {
  const { XDG_CACHE_HOME, HOME, LOCALAPPDATA } = process.env;
  // On Windows it lies where nobody else gets to, and owners and modes say nothing.
  if (process.platform === 'win32') return LOCALAPPDATA && isAbsolute(LOCALAPPDATA) && made(join(LOCALAPPDATA, 'sally'));
  const isChosen = XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME);
  if (!isChosen && !(HOME && isAbsolute(HOME))) return undefined;
  // From above, because whoever may write a folder may put another one in the place of what is in it; and where the home
  // is somebody else's, as after sudo, nothing of root is left in it.
  const caches = isChosen ? XDG_CACHE_HOME : isOwn(fs.statSync(HOME), 0o022) && made(join(HOME, '.cache'));
  if (!caches || !isOwn(fs.statSync(caches), 0o022)) return undefined;
  const folder = made(join(caches, 'sally'));
  return isOwn(fs.lstatSync(folder), 0o077) ? folder : undefined;
}

function made(folder) {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

function isOwn(found, others) {
  return found.isDirectory() && found.uid === process.getuid() && (found.mode & others) === 0;
}

/** V8 looks at the length of what it gets and ends the process where it is damaged; to compare costs less than a digest. */
function readCompiled(path) {
  try {
    const twice = path && fs.readFileSync(path);
    const once = twice && twice.subarray(0, twice.length / 2);
    return once && once.equals(twice.subarray(once.length)) ? once : undefined;
  } catch {
    return undefined;
  }
}

function keepCompiled(folder, path, script) {
  const beside = path + '.' + process.pid;
  try {
    const file = fs.openSync(beside, 'wx', 0o600);
    try {
      const once = script.createCachedData();
      fs.writeFileSync(file, Buffer.concat([once, once]));
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    fs.renameSync(beside, path);
    // What an earlier version has left; another one may be in use beside this.
    for (const name of fs.readdirSync(folder)) {
      const other = join(folder, name);
      const isOther = name.endsWith('.code') && !name.startsWith(mark);
      if (isOther && fs.lstatSync(other).mtimeMs < Date.now() - 30 * 24 * 3600e3) fs.unlinkSync(other);
    }
  } catch {
    fs.rmSync(beside, { force: true });
  }
}

/** Of the other files, if one is needed. */
function loadPart(name) {
  if (folder) require('node:module').enableCompileCache(folder);
  return require(join(lib, name));
}

let folder;
try {
  folder = cacheFolder();
} catch {
  // Without it everything is the same, only later.
}
const [command = ''] = process.argv.slice(2);
const isCommand = /^[a-z][a-z-]{1,15}$/.test(command);
const name = [mark, process.version, process.arch, command].join('-') + '.code';
const path = folder && isCommand ? join(folder, name) : undefined;
const cachedData = readCompiled(path);
const main = join(lib, 'sally.js');
const script = new Script(fs.readFileSync(main, 'latin1'), { filename: main, cachedData });
if (path && (!cachedData || script.cachedDataRejected)) {
  process.once('exit', (code) => code === 0 && keepCompiled(folder, path, script));
}
script.runInThisContext()((name) => (name.startsWith('./') ? loadPart(name) : require(name)), lib);
`;
