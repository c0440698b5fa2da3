import { expect, test } from 'vitest';
import { unknownTarget } from '../../src/policy/decide-access.ts';
import { type AppQuestion, decideApp } from '../../src/policy/decide-app.ts';
import { bob, nowSeconds, rule, session, target } from './sample-facts.ts';

const { organization, project, environment } = target;
const name = 'shop-production--web';
const question: AppQuestion = {
  account: bob,
  session,
  app: { organization, project, environment, name, instances: [] },
  rules: [rule],
  nowSeconds,
};

function messageFor(instances: readonly string[]): string {
  return decideApp({ ...question, app: { ...question.app, instances } }).reasons[0].message;
}

test('an app without any instance says so', () => {
  expect(decideApp(question)).toMatchObject({ visible: true, reasons: [{ code: 'no_instance' }] });
  expect(messageFor([])).toContain(`The app ${name} has no instance`);
});

test('an app whose instances have names of their own lists them, not more than ten', () => {
  const many = Array.from({ length: 12 }, (_, index) => `${name}--${index}`);
  expect(messageFor(many.slice(0, 2))).toContain(`Name one: ${name}--0, ${name}--1.`);
  expect(messageFor(many)).toMatch(/--9 and 2 more\.$/);
});

test('whoever has no role there, or comes from another organization, learns nothing of it', () => {
  expect(decideApp({ ...question, rules: [] })).toEqual(unknownTarget);
  expect(decideApp({ ...question, account: { ...bob, organization: 'other' } })).toEqual(unknownTarget);
});
