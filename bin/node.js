// Finds a Node that can run Sallyport's TypeScript (24 or newer) and runs an entry file of src/ with it. Plain
// JavaScript that every Node since 18 reads, because it is what an older Node meets first.
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const wantedMajor = 24;

/**
 * Where Node keeps our files compiled: beside the packages, which are believed as much. Nobody else may write there, whatever
 * the umask is; nor is it in somebody else's checkout, where root would leave what they can't remove. Undefined: nowhere.
 */
function compiledFolder() {
  const packages = join(root, 'node_modules');
  const folder = join(packages, '.cache', 'sallyport');
  const isOwn = ({ uid }) => !process.getuid || uid === process.getuid();
  try {
    if (!isOwn(statSync(packages))) return undefined;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(folder);
    const isClosed = process.platform === 'win32' || (found.mode & 0o022) === 0;
    return isOwn(found) && isClosed ? folder : undefined;
  } catch {
    return undefined; // It may not be written.
  }
}

/** The Node to use: this one if it is new enough, else the one that came with npm install. */
export function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= wantedMajor) return process.execPath;
  const require = createRequire(import.meta.url);
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  try {
    const folder = dirname(require.resolve(`node-${platform}-${process.arch}/package.json`));
    const node = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    if (existsSync(node)) return node;
  } catch {
    // Not installed, or no such package for this platform.
  }
  return undefined;
}

/** Runs src/<entry>.ts with this process's arguments; does not return. */
export async function runEntry(entry) {
  const node = findNode();
  if (!node || !existsSync(join(root, 'node_modules'))) {
    const need = node
      ? 'its packages are not installed'
      : `Node ${wantedMajor} or newer is needed, this is ${process.version}`;
    process.stderr.write(`sallyport: ${need}. Run: npm install (in ${root})\n`);
    process.exit(1);
  }
  const file = join(root, 'src', `${entry}.ts`);
  const compiled = compiledFolder();
  if (node === process.execPath) {
    // Reading TypeScript anew is most of a short program's time.
    if (compiled) module.enableCompileCache?.(compiled);
    await import(`file://${file}`);
    return;
  }
  const env = { ...(compiled && { NODE_COMPILE_CACHE: compiled }), ...process.env };
  const child = spawn(node, [file, ...process.argv.slice(2)], { stdio: 'inherit', env });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exit(code ?? 1);
  });
}
