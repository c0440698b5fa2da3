/** One program out of its modules and packages: what esbuild does, and what starts faster because of it. */

import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { basename, join } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin, transform } from 'esbuild';
import { lazyBuiltins } from './lazy-builtins.ts';

export const root = join(import.meta.dirname, '..');

export interface Bundle {
  /** By name; all in one folder. */
  readonly files: ReadonlyMap<string, string>;
  /** Names of the packages that are inside. */
  readonly packages: readonly string[];
}

export interface BundleOptions {
  /** Below the root, such as `src/sally.ts`. */
  readonly entry: string;
  /** The source of modules that the build knows better, by path below the root. */
  readonly replaced: Readonly<Record<string, string>>;
  /** What `import.meta.filename` is in the result, as an expression. */
  readonly filename: string;
}

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node24',
  // Names stay, for the stacks that people send in. No source map: nothing of the building machine gets in.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  metafile: true,
  write: false,
  logLevel: 'error',
  define: {
    'import.meta.filename': '__entry',
    'import.meta.url': '__url',
    'import.meta.dirname': '__dirname',
  },
} as const satisfies BuildOptions;

/** A single file, as CommonJS: Node 24 makes no program of its own out of a module. */
export async function bundleOne(options: BundleOptions): Promise<Bundle> {
  const { entry, replaced, filename } = options;
  const { outputFiles, metafile } = await build({
    ...shared,
    entryPoints: [entry],
    outfile: 'one.cjs',
    format: 'cjs',
    plugins: [source(replaced), lazyBuiltins()],
    banner: { js: placeOf(filename) },
  });
  return { files: new Map([['one.cjs', outputFiles[0]?.text ?? '']]), packages: packagesOf(metafile) };
}

/** Loaded on demand, but by what is run most: these are in one file with what every start loads. */
const often = new Set(['src/cli/command-line/login.ts', 'src/cli/commands/status.ts']);

/**
 * The same as a file of the parts that are needed often, and the others beside it. Each part runs when it is first required.
 * To ask Node's loaders for every part would take longer than to run it, and to read all of them longer still. The file is
 * an expression: a function of `require` and of the folder, so that whoever calls it can keep it compiled.
 */
export async function bundleParts(options: BundleOptions): Promise<Bundle> {
  const { entry, replaced, filename } = options;
  const { outputFiles, metafile } = await build({
    ...shared,
    entryPoints: [entry],
    outdir: 'parts',
    format: 'esm',
    splitting: true,
    plugins: [source(replaced), lazyBuiltins(), builtins()],
  });
  const main = `${basename(entry, '.ts')}.js`;
  const first = neededOften(metafile, main);
  const together: string[] = [];
  const files = new Map<string, string>();
  for (const { path, text } of outputFiles) {
    const name = basename(path);
    const { code } = await transform(text, {
      format: 'cjs',
      platform: 'node',
      target: 'node24',
      minifyWhitespace: true,
      supported: { 'dynamic-import': false },
    });
    const part = `function(exports,require,module,__entry,__url){${code}}`;
    if (first.has(name)) together.push(`${JSON.stringify(`./${name}`)}:${part}`);
    else files.set(name, `module.exports=${part}`);
  }
  files.set(main, partsText(filename, together, `./${main}`));
  return { files, packages: packagesOf(metafile) };
}

function neededOften({ outputs }: Metafile, main: string): Set<string> {
  const found = new Set<string>();
  const follow = (path: string) => {
    const output = outputs[path];
    if (!output || found.has(basename(path))) return;
    found.add(basename(path));
    for (const next of output.imports) {
      if (next.kind === 'import-statement' || often.has(outputs[next.path]?.entryPoint ?? ''))
        follow(next.path);
    }
  };
  follow(Object.keys(outputs).find((path) => basename(path) === main) ?? '');
  return found;
}

function partsText(filename: string, parts: readonly string[], main: string): string {
  const text = `(function(require,__dirname){"use strict";${placeOf(filename)}
const done={},parts={${parts.join(',\n')}};
function part(name){
  if(done[name])return done[name].exports;
  if(!name.startsWith("./"))return require(name);
  const module=done[name]={exports:{}};
  (parts[name]??require(name))(module.exports,part,module,__entry,__url);
  return module.exports;
}
part(${JSON.stringify(main)});
})
`;
  // It is read byte by byte, which takes half as long.
  if (/[^\0-\x7f]/.test(text)) throw new Error('A part holds a character beyond ASCII.');
  return text;
}

function placeOf(filename: string): string {
  return `const __entry=${filename},__url=require("node:url").pathToFileURL(__entry).href;`;
}

/** Our own modules: some are replaced, and zod is imported so that what nobody uses of it stays out. */
function source(replaced: Readonly<Record<string, string>>): Plugin {
  return {
    name: 'source',
    setup: (esbuild) => {
      esbuild.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, async ({ path }) => {
        const instead = replaced[path.slice(root.length + 1)];
        const text = instead ?? (await readFile(path, 'utf8'));
        return {
          contents: text.replace("import { z } from 'zod'", "import * as z from 'zod'"),
          loader: 'ts',
        };
      });
    },
  };
}

/** require() of a package inside a module: the parts are CommonJS in the end, and esbuild does not know it. */
function builtins(): Plugin {
  const names = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]));
  return {
    name: 'builtins',
    setup: (esbuild) => {
      esbuild.onResolve({ filter: /^(node:)?[a-z_/]+$/ }, ({ path, kind }) =>
        kind === 'require-call' && names.has(path) ? { path, namespace: 'builtin' } : undefined,
      );
      esbuild.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
        contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
        loader: 'js',
      }));
    },
  };
}

function packagesOf({ inputs }: Metafile): string[] {
  const names = Object.keys(inputs).flatMap((path) => {
    const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
    return name === undefined ? [] : [name];
  });
  return [...new Set(names)].sort();
}
