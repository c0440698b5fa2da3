import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { policyTestFile } from '../../src/api/policy-test.ts';
import { parseYaml } from '../../src/cli/inventory/read-yaml.ts';
import { Person } from './person.ts';
import { ServerDouble } from './server-double.ts';

let server: ServerDouble;
let alice: Person;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  await alice.login(server.url);
});
afterEach(async () => {
  await server.stop();
  alice.remove();
});

function file(name: string, text: string): string {
  const path = join(alice.home, name);
  writeFileSync(path, text);
  return path;
}

const cases = `
cases:
  - name: developers get in
    groups: [developers]
    target: shop-production--web
    expect: allowed
  - name: not with an old <second> factor
    account: bob@example.com
    target: shop-production--web
    mfa: { age: 3600 }
    expect: denied
    reasons: [mfa_too_old]
`;
const results = [
  {
    name: 'developers get in',
    passed: true,
    expected: { allowed: true, reasons: null },
    found: { allowed: true, reasons: [] },
    problem: null,
  },
  {
    name: 'not with an old <second> factor',
    passed: false,
    expected: { allowed: false, reasons: ['mfa_too_old'] },
    found: { allowed: false, reasons: [{ code: 'target_unknown', message: 'There is no target.' }] },
    problem: null,
  },
];
const failing = { passed: 1, failed: 1, results };

test('what fails is shown with what was expected and what was found, and the command ends with 1', async () => {
  server.policyReply = failing;
  const { code, stdout } = await alice.sally(['admin', 'policy', 'test', file('policy.yaml', cases)]);
  expect(code).toBe(1);
  expect(stdout).toBe(
    [
      'FAILED: not with an old <second> factor',
      '  expected: denied (mfa_too_old)',
      '  found:    denied (target_unknown): There is no target.',
      '1 passed, 1 failed.',
      '',
    ].join('\n'),
  );
  expect(server.policyTests).toEqual([
    {
      cases: [
        {
          name: 'developers get in',
          groups: ['developers'],
          target: 'shop-production--web',
          mfa: { age: 0 },
          mode: 'interactive',
          expect: 'allowed',
        },
        {
          name: 'not with an old <second> factor',
          account: 'bob@example.com',
          target: 'shop-production--web',
          mfa: { age: 3600 },
          mode: 'interactive',
          expect: 'denied',
          reasons: ['mfa_too_old'],
        },
      ],
    },
  ]);
});

test('where every case passes it ends with 0', async () => {
  server.policyReply = { passed: 1, failed: 0, results: results.slice(0, 1) };
  const { code, stdout } = await alice.sally(['admin', 'policy', 'test', file('policy.yaml', cases)]);
  expect([code, stdout]).toEqual([0, '1 passed, 0 failed.\n']);
});

test('an inventory goes with the cases, to be tried and not applied', async () => {
  const inventory = file('inventory.yaml', 'organization: { slug: demo }\n');
  const path = file('policy.yaml', cases);
  await alice.sally(['admin', 'policy', 'test', path, '--inventory', inventory, '--prune']);
  expect(server.policyTests).toEqual([
    expect.objectContaining({ document: { organization: { slug: 'demo' } }, prune: true }),
  ]);
  expect(server.seen.map(({ path: asked }) => asked)).not.toContain('/v1/inventory/apply');
});

test('CI systems get JUnit XML, programs JSON', async () => {
  server.policyReply = failing;
  const path = file('policy.yaml', cases);
  const junit = await alice.sally(['admin', 'policy', 'test', path, '--junit']);
  expect(junit.code).toBe(1);
  expect(junit.stdout).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1">
  <testsuite name="policy" tests="2" failures="1">
    <testcase classname="policy" name="developers get in"/>
    <testcase classname="policy" name="not with an old &lt;second&gt; factor">
      <failure message="expected denied (mfa_too_old), found denied (target_unknown)"/>
    </testcase>
  </testsuite>
</testsuites>
`);
  const json = await alice.sally(['admin', 'policy', 'test', path, '--json']);
  expect(JSON.parse(json.stdout)).toEqual(failing);
});

test('the example of the documentation is such a file', () => {
  const page = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8');
  const [, example = ''] = /```yaml\n(.*?)```/s.exec(page) ?? [];
  const parsed = parseYaml(Buffer.from(example), { file: 'policy.md', schema: policyTestFile });
  expect(parsed.cases).toHaveLength(4);
});

test('a file that is none says where, and asks nobody', async () => {
  const path = file(
    'policy.yaml',
    'cases:\n  - name: one\n    target: shop-production--web\n    expect: maybe\n',
  );
  const { code, stderr } = await alice.sally(['admin', 'policy', 'test', path]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/policy\.yaml.*4/s);
  expect(server.policyTests).toEqual([]);
});
