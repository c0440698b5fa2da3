/** `@sallyport/server`: the same modules as JavaScript, since Node strips no types below node_modules. */
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { root } from './bundle.ts';

const entry = 'src/sallyport.ts';

export async function writeServerPackage(folder: string, version: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (const path of await modulesOf(entry)) await writeModule(folder, path);
  for (const path of ['migrations', 'src/gateway/programs']) {
    await cp(join(root, path), join(folder, path), { recursive: true });
  }
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'bin', 'sallyport.js'), starter);
  await chmod(join(folder, 'bin', 'sallyport.js'), 0o755);
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const { description, license, dependencies, peerDependencies, peerDependenciesMeta } = manifest;
  const ours = {
    name: '@sallyport/server',
    version,
    description,
    license,
    type: 'module',
    bin: { sallyport: 'bin/sallyport.js' },
    engines: { node: '>=24' },
    files: ['bin', 'src', 'migrations'],
    dependencies,
    peerDependencies,
    peerDependenciesMeta,
  };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(ours, null, 2)}\n`);
}

/** What the entry reaches, and no more: not the tests, nor `sally`. */
async function modulesOf(path: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [path],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    outdir: 'nowhere',
    splitting: true,
    write: false,
    metafile: true,
    logLevel: 'error',
  });
  return Object.keys(metafile.inputs);
}

async function writeModule(folder: string, path: string): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [path],
    bundle: false,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    write: false,
    logLevel: 'error',
  });
  const text = outputFiles[0]?.text ?? '';
  const to = join(folder, path.replace(/\.ts$/, '.js'));
  await mkdir(dirname(to), { recursive: true });
  await writeFile(to, text.replace(/((?:from|import)\s*\(?\s*")(\.{1,2}\/[^"]+)\.ts"/g, '$1$2.js"'));
}

/** An older Node reads this file too, so it is plain. */
const starter = `#!/usr/bin/env node
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write('sallyport: Node 24 or newer is needed, this is ' + process.version + '.\\n');
  process.exit(1);
}
await import('../src/sallyport.js');
`;
