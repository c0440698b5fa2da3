/** Node's own modules that take long to load are loaded when something of them is called, not where it is imported. */
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import type { Plugin } from 'esbuild';

const require = createRequire(import.meta.url);

/** These take milliseconds to load, and most commands that import them never call them. */
const lazyModules: Readonly<Record<string, readonly string[]>> = {
  'node:crypto': functionsOf('node:crypto'),
  'node:child_process': functionsOf('node:child_process'),
};

function functionsOf(name: string): string[] {
  const module: Record<string, unknown> = require(name);
  return Object.keys(module).filter((key) => /^[a-z]/.test(key) && typeof module[key] === 'function');
}

export function lazyBuiltins(): Plugin {
  return {
    name: 'lazy',
    setup: (esbuild) => {
      esbuild.onResolve({ filter: /^node:(crypto|child_process)$/ }, ({ path, kind }) =>
        kind === 'import-statement' ? { path, namespace: 'lazy', sideEffects: false } : undefined,
      );
      esbuild.onLoad({ filter: /.*/, namespace: 'lazy' }, ({ path }) => ({
        contents: lazyModule(path),
        loader: 'js',
      }));
    },
  };
}

function lazyModule(name: string): string {
  const functions = new Set(lazyModules[name]);
  const names = Object.keys(require(name)).filter((key) => /^[a-z]\w*$/i.test(key));
  const lines = names.map((key) => {
    if (functions.has(key)) return `export function ${key}(...args) { return load().${key}(...args); }`;
    // Of a function, whose prototype a proxy may replace.
    if (/^[A-Z]/.test(key)) return `export const ${key} = lazyClass('${key}');`;
    return `export const ${key} = /* @__PURE__ */ (() => load().${key})();`;
  });
  // What promisify() goes by (node:util, "Custom promisified functions").
  const custom = promisify.custom.description;
  const promised = [...functions]
    .filter((key) => promisify.custom in require(name)[key])
    .map(
      (key) =>
        `Object.defineProperty(${key}, Symbol.for('${custom}'), { get: () => load().${key}[Symbol.for('${custom}')] });`,
    );
  const all = names.map((key) => `get ${key}() { return load().${key}; }`).join(', ');
  return `const load = () => process.getBuiltinModule('${name}');
/* @__NO_SIDE_EFFECTS__ */ const lazyClass = (key) => new Proxy(function () {}, {
  construct: (_, args) => new (load()[key])(...args),
  get: (_, member) => load()[key][member],
});
${[...lines, ...promised].join('\n')}\nexport default { ${all} };\n`;
}
