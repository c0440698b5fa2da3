import { expect, test } from 'vitest';
import { relevantFacts } from '../../src/feed/relevant-facts.ts';
import type { AccessRuleFacts, AccountFacts } from '../../src/policy/facts.ts';

const targets = [{ organization: 'acme', project: 'shop', environment: 'production' }];
const rule = (more: Partial<AccessRuleFacts>): AccessRuleFacts => ({
  subject: { account: 'bob@example.com' },
  role: 'contributor',
  organization: 'acme',
  project: null,
  environment: null,
  expiresAtSeconds: null,
  ...more,
});
const account = (name: string, groups: string[] = [], disabled = false): AccountFacts => ({
  name: `${name}@example.com`,
  organization: 'acme',
  disabled,
  groups,
});
const kept = (rules: AccessRuleFacts[]) => relevantFacts(targets, { accounts: [], rules }, 1_000).rules;

test.each([
  ['the organization', rule({})],
  ['the project', rule({ project: 'shop' })],
  ['the environment', rule({ project: 'shop', environment: 'production' })],
  ['a while longer', rule({ expiresAtSeconds: 1_001 })],
])('a rule on %s is kept', (_what, one) => {
  expect(kept([one])).toEqual([one]);
});

test.each([
  ['another organization', rule({ organization: 'other' })],
  ['another project', rule({ project: 'blog' })],
  ['another environment', rule({ project: 'shop', environment: 'staging' })],
  ['the past', rule({ expiresAtSeconds: 1_000 })],
])('a rule on %s is left out', (_what, one) => {
  expect(kept([one])).toEqual([]);
});

test('accounts are those that a kept rule names, with the groups that a kept rule names', () => {
  const rules = [
    rule({}),
    rule({ subject: { group: 'admins' } }),
    rule({ subject: { group: 'writers' }, project: 'blog' }),
  ];
  const accounts = [
    account('bob', ['secret-project']),
    account('carol', ['admins', 'writers']),
    account('dave', ['writers']),
    account('erin', ['admins'], true),
  ];
  expect(relevantFacts(targets, { accounts, rules }, 1_000).accounts).toEqual([
    account('bob'),
    account('carol', ['admins']),
    account('erin', ['admins'], true),
  ]);
});

test('without targets there is nothing to know', () => {
  expect(relevantFacts([], { accounts: [account('bob')], rules: [rule({})] }, 1_000)).toEqual({
    accounts: [],
    rules: [],
  });
});
