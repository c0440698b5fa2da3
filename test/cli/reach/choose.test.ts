import { describe, expect, test } from 'vitest';
import type { SeenTarget } from '../../../src/api/targets.ts';
import { type Choice, chooseTarget, listed, matching, type Wanted } from '../../../src/cli/reach/choose.ts';
import { sampleTarget } from './sample-targets.ts';

const single = sampleTarget('shop-production--web', { role: 'front' });
const first = sampleTarget('shop-production--api--one', { role: 'backend', address: '192.0.2.7' });
const second = sampleTarget('shop-production--api--two', { role: 'backend' });
const tenth = sampleTarget('shop-production--api--10');
const worker = sampleTarget('shop-production--api--mailer', { kind: 'worker', role: 'mail' });
const task = sampleTarget('shop-production--api--nightly', { kind: 'task' });
const staging = sampleTarget('shop-staging--web');
const stopped = sampleTarget('blog-staging--site--old', { state: 'stopped' });
const running = sampleTarget('blog-staging--site--new');
const targets = [tenth, second, single, worker, first, task, staging, stopped, running];
const emptyApps = ['shop-production--cron', 'blog-staging--cron'];

const choose = (wanted: Wanted) => chooseTarget({ targets, emptyApps }, wanted);
const names = (found: readonly SeenTarget[]) => found.map(({ name }) => name);
function summary(choice: Choice): string | string[] {
  if (choice.kind === 'one') return choice.target.name;
  return choice.kind === 'several' ? names(choice.targets) : choice.kind;
}

describe('a target is meant by', () => {
  test.each([
    ['its name', 'shop-staging--web', staging],
    ['its name in ssh', 'shop-staging--web.sallyport', staging],
    ['its alias', second.alias, second],
    ['its number', String(second.number), second],
    ['its address', '192.0.2.7', first],
    ['the name of the instance', 'two', second],
    ['a role that one has', 'front', single],
    ['a role of a worker', 'mail', worker],
    ['the beginning of its name', 'shop-s', staging],
    ['its name, though it is that of an app too', 'shop-production--web', single],
  ])('%s', (_what, name, wanted) => {
    expect(summary(choose({ name }))).toBe(wanted.name);
  });
});

test('what is exact beats what only begins so', () => {
  const exact = sampleTarget('shop-production--api--o');
  const all = { targets: [...targets, exact], emptyApps };
  expect(summary(chooseTarget(all, { name: 'o' }))).toBe(exact.name);
  expect(summary(chooseTarget(all, { name: 'on' }))).toBe(first.name);
});

test('of several that fit none is taken', () => {
  expect(choose({ name: 'web' })).toMatchObject({ kind: 'several', of: 'targets' });
  expect(summary(choose({ name: 'web' }))).toEqual([single.name, staging.name]);
  expect(choose({ name: 'backend' })).toMatchObject({ kind: 'several', of: 'instances' });
});

test('an app means its instances, in the order of their numbers, and no workers or tasks', () => {
  expect(summary(choose({ name: 'api' }))).toEqual([tenth.name, first.name, second.name]);
  expect(summary(choose({ app: 'shop-production--api' }))).toEqual([tenth.name, first.name, second.name]);
});

test.each([
  ['two', second],
  [second.alias, second],
  [String(second.number), second],
  [second.name, second],
  ['3', second],
  ['10', tenth],
  ['mailer', worker],
])('--instance %s names one', (instance, wanted) => {
  expect(summary(choose({ app: 'api', instance }))).toBe(wanted.name);
});

test('an instance that is not there is told apart from an app that is not', () => {
  expect(summary(choose({ app: 'api', instance: '9' }))).toBe('no-instance');
  expect(summary(choose({ app: 'nothing' }))).toBe('unknown');
});

test('the only instance that runs is taken, and said to be that', () => {
  expect(choose({ app: 'site' })).toMatchObject({ kind: 'one', target: running, note: expect.anything() });
});

test('--worker, --task and --process find what is short-lived', () => {
  expect(summary(choose({ worker: '' }))).toBe(worker.name);
  expect(summary(choose({ app: 'api', worker: 'mail' }))).toBe(worker.name);
  expect(summary(choose({ worker: 'front' }))).toBe('unknown');
  expect(summary(choose({ task: 'nightly' }))).toBe(task.name);
  expect(summary(choose({ process: 'mail' }))).toBe(worker.name);
  expect(summary(choose({ process: 'worker' }))).toBe(worker.name);
  expect(summary(choose({ process: 'backend' }))).toEqual([first.name, second.name]);
});

test('an app without instances is said to be empty where it is clear which', () => {
  expect(choose({ name: 'shop-production--cron' })).toEqual({ kind: 'empty', app: 'shop-production--cron' });
  expect(summary(choose({ app: 'cron' }))).toBe('unknown');
  expect(choose({ app: 'cron', project: 'blog', environment: 'staging' })).toMatchObject({ kind: 'empty' });
});

test('options narrow down together, exact or by their beginning', () => {
  expect(names(matching(targets, { project: 'shop', environment: 'stag' }))).toEqual([staging.name]);
  expect(names(matching(targets, { project: 'shop', environment: 'staging', app: 'api' }))).toEqual([]);
});

test('a list without a name shows workers and tasks too', () => {
  const everything = names(listed(targets, {}));
  expect(everything).toHaveLength(targets.length);
  expect(everything).toEqual(expect.arrayContaining([worker.name, task.name]));
  expect(names(listed(targets, { app: 'api' }))).toEqual(names(matching(targets, { app: 'api' })));
});

test.each(['', '--', '*', 'nothing-at--all', '0', '99999'])('%j is none of them', (name) => {
  expect(summary(choose({ name }))).toBe('unknown');
});
