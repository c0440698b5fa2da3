#!/usr/bin/env node
// Runs before `npm start`, `npm test` and `npm run tour`: installs the packages when package-lock.json differs from
// what was installed last, so that a fresh clone needs one command. Plain JavaScript: an older Node runs it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findNode, root, wantedMajor } from './node.js';

const lock = readFileSync(join(root, 'package-lock.json'));
const stamp = join(root, 'node_modules', '.sallyport-installed');
const hash = createHash('sha256').update(lock).update(process.platform).update(process.arch).digest('hex');
const installed = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';

if (installed !== hash) {
  process.stderr.write(
    'Installing packages from the npm registry (first start, or the lock file changed) ...\n',
  );
  // npm is npm-cli.js run by this very Node where npm started us; otherwise the npm on the PATH.
  const cli = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const run = cli
    ? spawnSync(process.execPath, [cli, ...args], { cwd: root, encoding: 'utf8' })
    : spawnSync(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, { cwd: root, encoding: 'utf8' });
  if (run.status !== 0) {
    const said = `${run.stderr ?? ''}${run.error?.message ?? ''}`.trim().split('\n').slice(-3).join('\n  ');
    fail(`the packages could not be installed; is the npm registry reachable? npm said:\n  ${said}`);
  }
}
if (!findNode()) {
  fail(
    `Node ${wantedMajor} or newer is needed and this is ${process.version}; install it from nodejs.org or your package manager.`,
  );
}
if (installed !== hash) writeFileSync(stamp, hash);

function fail(why) {
  process.stderr.write(`sallyport: ${why}\n`);
  process.exit(1);
}
