import { expect, test } from 'vitest';
import { decideForwarding, type ForwardingFacts } from '../../src/policy/decide-forwarding.ts';
import type { ServiceFacts } from '../../src/policy/facts.ts';
import { bob, nowSeconds, rule, session, target } from './sample-facts.ts';

const orders: ServiceFacts = {
  organization: 'example',
  project: 'shop',
  environment: 'production',
  name: 'orders',
  kind: 'postgresql',
  address: '10.0.0.5',
  port: 5432,
  role: 'contributor',
};
const facts: ForwardingFacts = {
  account: bob,
  session,
  target: { ...target, forwarding: { local: true, remote: true, agent: true } },
  rules: [rule],
  services: [orders],
  nowSeconds,
};

test('a connection may tunnel to the services of its environment, and forward what its app lets it', () => {
  expect(decideForwarding(facts)).toEqual({ services: [orders], remote: true, agent: true });
});

test.each([
  ['organization', { organization: 'elsewhere' }],
  ['project', { project: 'blog' }],
  ['environment', { environment: 'staging' }],
])('a service of another %s is no way out', (_, place) => {
  expect(decideForwarding({ ...facts, services: [{ ...orders, ...place }] }).services).toEqual([]);
});

test('a service that asks for a higher role is left out', () => {
  expect(decideForwarding({ ...facts, services: [{ ...orders, role: 'admin' }, orders] }).services).toEqual([
    orders,
  ]);
});

test('the limit of a token counts, not the role of its account', () => {
  const limited = { ...session, roleLimit: 'viewer' } as const;
  expect(decideForwarding({ ...facts, session: limited }).services).toEqual([]);
});

test.each([
  ['local', { services: [], remote: true, agent: true }],
  ['remote', { services: [orders], remote: false, agent: true }],
  ['agent', { services: [orders], remote: true, agent: false }],
] as const)('an app that forbids %s forwarding forbids that alone', (kind, decision) => {
  const forwarding = { local: true, remote: true, agent: true, [kind]: false };
  expect(decideForwarding({ ...facts, target: { ...target, forwarding } })).toEqual(decision);
});

test('whoever has no role there forwards nothing', () => {
  const nothing = { services: [], remote: false, agent: false };
  expect(decideForwarding({ ...facts, rules: [] })).toEqual(nothing);
  expect(decideForwarding({ ...facts, rules: [{ ...rule, expiresAtSeconds: nowSeconds }] })).toEqual(nothing);
});
