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

const reader = "import type { Tables } from '../database/rows.ts';\nexport type Planted = Tables;\n";
const faults: readonly (readonly [what: string, rule: string, planted: Readonly<Record<string, string>>])[] =
  [
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
  ];

test('the dependency rules read more than 20 modules and find nothing in the tree', async () => {
  const { summary } = await cruise(root);
  expect(summary.totalCruised).toBeGreaterThan(20);
  expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)).toEqual([]);
});

describe('the dependency rules find', () => {
  let copy: string;
  let report: CruiseReport;
  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'sallyport-rules-'));
    for (const name of ['src', 'tsconfig.json', '.dependency-cruiser.cjs', 'package.json']) {
      await cp(join(root, name), join(copy, name), { recursive: true });
    }
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    // All of them at once: each is in a file of its own, and reading the tree takes seconds.
    for (const [file, text] of faults.flatMap(([, , planted]) => Object.entries(planted))) {
      await mkdir(dirname(join(copy, file)), { recursive: true });
      await writeFile(join(copy, file), text);
    }
    report = await cruise(copy);
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  test.each(faults)('%s', (_what, rule, planted) => {
    const found = report.summary.violations.filter(({ from }) => from in planted);
    expect(found.map((violation) => violation.rule.name)).toContain(rule);
  });

  test('nothing else', () => {
    const planted = faults.flatMap(([, , files]) => Object.keys(files));
    expect(
      report.summary.violations.map(({ from }) => from).filter((from) => !planted.includes(from)),
    ).toEqual([]);
  });
});
