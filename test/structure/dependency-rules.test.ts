import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const cruiser = join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruiser.mjs');

interface CruiseReport {
  summary: { totalCruised: number; violations: { rule: { name: string }; from: string; to: string }[] };
}

async function cruise(folder: string): Promise<CruiseReport> {
  const args = [cruiser, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src'];
  const options = { cwd: folder, maxBuffer: 1 << 28 };
  const run = await promisify(execFile)(process.execPath, args, options).catch((error) => error);
  return JSON.parse(run.stdout);
}

describe('the dependency rules', () => {
  let copy: string;
  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'sallyport-rules-'));
    for (const name of ['src', 'tsconfig.json', '.dependency-cruiser.cjs', 'package.json']) {
      await cp(join(root, name), join(copy, name), { recursive: true });
    }
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  test('read more than 20 modules and find nothing in the tree', async () => {
    const { summary } = await cruise(root);
    expect(summary.totalCruised).toBeGreaterThan(20);
    expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)).toEqual([]);
  });

  const reader = "import type { Tables } from '../database/rows.ts';\nexport type Planted = Tables;\n";
  test.each([
    ['a format that reads the database', 'ssh-imports', { 'src/ssh/planted.ts': reader }],
    ['the helper that loads the CA', 'cli-imports', { 'src/cli/planted.ts': reader }],
    ['the companion that loads the CA', 'gateway-imports', { 'src/gateway/planted.ts': reader }],
    [
      'a pure folder that reads files',
      'pure-folders-touch-no-machine',
      { 'src/policy/planted.ts': "export { readFileSync } from 'node:fs';\n" },
    ],
    ['a folder that nobody declared', 'known-folder', { 'src/utils/planted.ts': reader }],
    [
      'a cycle',
      'no-cycles',
      {
        'src/errors/planted.ts': "export { b as a } from './planted-b.ts';\n",
        'src/errors/planted-b.ts': "export { a as b } from './planted.ts';\n",
      },
    ],
  ])('find %s', async (_what, rule, planted) => {
    for (const [file, text] of Object.entries(planted)) {
      await mkdir(dirname(join(copy, file)), { recursive: true });
      await writeFile(join(copy, file), text);
    }
    const { summary } = await cruise(copy);
    for (const file of Object.keys(planted)) await rm(join(copy, file));
    const found = summary.violations
      .filter(({ from }) => from in planted)
      .map((violation) => violation.rule.name);
    expect(found).toContain(rule);
  });
});
