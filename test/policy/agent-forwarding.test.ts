import { expect, test } from 'vitest';
import { type AgentForwardingFacts, mayForwardAgent } from '../../src/policy/agent-forwarding.ts';
import { bob, nowSeconds, rule, session, target } from './sample-facts.ts';

const { organization, project, environment, sshRole } = target;
const app = { organization, project, environment, sshRole };
const facts: AgentForwardingFacts = { account: bob, session, apps: [app], rules: [rule], nowSeconds };

test('an agent may be forwarded by whoever may reach an app that wants it', () => {
  expect(mayForwardAgent(facts)).toBe(true);
});

test.each<[string, Partial<AgentForwardingFacts>]>([
  ['there is no such app', { apps: [] }],
  ['the account has no role there', { rules: [] }],
  ['the app is of another organization', { apps: [{ ...app, organization: 'other' }] }],
  ['the app wants a higher role', { apps: [{ ...app, sshRole: 'admin' }] }],
  ['the session is limited to a lower role', { session: { roleLimit: 'viewer' } }],
  ['the role has expired', { rules: [{ ...rule, expiresAtSeconds: nowSeconds }] }],
])('and not where %s', (_what, change) => {
  expect(mayForwardAgent({ ...facts, ...change })).toBe(false);
});
