/**
 * One table of facts, decided by all who decide: the CA before it certifies a second leg, a gateway and a host when they
 * are asked, and the explanation. Who finds something else than the table says is wrong.
 */
import { describe, expect, test } from 'vitest';
import type { CompanionState } from '../../src/api/companions.ts';
import { decideOffer } from '../../src/gateway/decide-offer.ts';
import { type Offer, sessionOf } from '../../src/gateway/offered-certificate.ts';
import type { AccessDecision } from '../../src/policy/decide-access.ts';
import { decideExplained } from '../../src/policy/decide-explained.ts';
import { decideHop } from '../../src/policy/decide-hop.ts';
import type { AccessRuleFacts, AccountFacts, TargetFacts } from '../../src/policy/facts.ts';
import { bob, example, nowSeconds, rule, target as web } from './sample-facts.ts';

const offer: Offer = {
  account: bob.name,
  organization: bob.organization,
  sessionId: '0b0f3c1e-55b0-4b0a-9d7b-2f3a54f0c001',
  serial: '7',
  authority: '',
  mode: 'interactive',
  amr: ['pwd', 'otp'],
  acr: null,
  authTimeSeconds: nowSeconds - 600,
  mfa: true,
  mfaBy: 'provider',
  mfaMethods: ['otp'],
  mfaTimeSeconds: null,
  roleLimit: null,
  forThisMachine: false,
  validBeforeSeconds: nowSeconds + 600,
  source: 'certificate',
  sourceText: '',
};

interface Changes {
  readonly account?: Partial<AccountFacts>;
  readonly offer?: Partial<Offer>;
  readonly target?: Partial<TargetFacts>;
  readonly rules?: readonly AccessRuleFacts[];
}

const off = (level: 'organization' | 'project' | 'environment' | 'app') => ({
  target: { sshEnabled: { ...web.sshEnabled, [level]: false } },
});

/** What each is refused for; none: allowed; null: not even that there is such a target. */
const table: readonly (readonly [string, Changes, readonly string[] | null])[] = [
  ['a fresh second factor and the role', {}, []],
  ['no rule', { rules: [] }, null],
  ['a rule that has expired', { rules: [{ ...rule, expiresAtSeconds: nowSeconds }] }, null],
  ['a rule for another group', { rules: [{ ...rule, subject: { group: 'admins' } }] }, null],
  ['a rule for a group of theirs', { rules: [{ ...rule, subject: { group: 'developers' } }] }, []],
  ['a rule on another environment', { rules: [{ ...rule, project: 'shop', environment: 'staging' }] }, null],
  ['a target of another organization', { target: { organization: 'other' } }, null],
  ['a role that is too low', { rules: [{ ...rule, role: 'viewer' }] }, ['role_insufficient']],
  ['a token that may do less than its account', { offer: { roleLimit: 'viewer' } }, ['role_insufficient']],
  ['a disabled account', { account: { disabled: true } }, ['account_disabled']],
  ['a certificate that has expired', { offer: { validBeforeSeconds: nowSeconds } }, ['session_expired']],
  ['no second factor', { offer: { mfa: false, mfaBy: null, mfaMethods: [] } }, ['mfa_missing']],
  ['a second factor that is too old', { offer: { authTimeSeconds: nowSeconds - 901 } }, ['mfa_too_old']],
  ['an API token where a second factor is wanted', { offer: { mode: 'token' } }, ['mfa_impossible']],
  [
    'an API token where people alone get in',
    { offer: { mode: 'ci' }, target: { mfaRequired: false, peopleOnly: true } },
    ['person_required'],
  ],
  ['an organization that is switched off', off('organization'), ['ssh_disabled']],
  ['a project that is switched off', off('project'), ['ssh_disabled']],
  ['an environment that is switched off', off('environment'), ['ssh_disabled']],
  ['an app that is switched off', off('app'), ['ssh_disabled']],
  ['an instance that starts', { target: { state: 'starting' } }, ['instance_starting']],
  ['an instance that is stopped', { target: { state: 'stopped' } }, ['instance_stopped']],
  ['an instance that is paused', { target: { state: 'paused' } }, ['instance_paused']],
  ['an instance that is inactive', { target: { state: 'inactive' } }, ['instance_inactive']],
  [
    'several things at once',
    { target: { state: 'stopped', sshRole: 'admin' }, offer: { authTimeSeconds: nowSeconds - 901 } },
    ['role_insufficient', 'instance_stopped', 'mfa_too_old'],
  ],
];

function codesOf(decision: AccessDecision): readonly string[] | null {
  if (decision.allowed) return [];
  return decision.visible ? decision.reasons.map(({ code }) => code) : null;
}

function factsOf(changes: Changes) {
  const account = { ...bob, ...changes.account };
  const target = { ...web, ...changes.target };
  const offered = { ...offer, ...changes.offer };
  const rules = changes.rules ?? [rule];
  return { account, target, offered, rules, session: sessionOf(offered, 'start', false) };
}

/** The companion's answer, by the installed state. */
function atCompanion(changes: Changes, kind: 'gateway' | 'host'): readonly string[] | null {
  const { account, target, offered, rules } = factsOf(changes);
  const state = {
    companion: { kind, gateway_login: null },
    targets: [{ ...target, gatewayUid: 600_001, nodeNumber: 100_001 }],
    accounts: [account],
    access_rules: rules,
  } as unknown as CompanionState;
  const user = kind === 'gateway' ? target.targetName : target.login;
  const facts = { state, endedSessions: new Set<string>(), nowSeconds };
  const { allowed, refused } = decideOffer(offered, user, facts);
  if (allowed.length > 0) return [];
  return refused[0]?.reasons.map(({ code }) => code) ?? null;
}

describe.each(table)('%s', (_, changes, expected) => {
  const { account, target, rules, session } = factsOf(changes);

  test('at the CA', () => {
    const decision = decideHop({ account, session, target, rules, nowSeconds, hasHost: true });
    expect(codesOf(decision)).toEqual(expected);
  });

  test('at a gateway', () => expect(atCompanion(changes, 'gateway')).toEqual(expected));
  test('at a host', () => expect(atCompanion(changes, 'host')).toEqual(expected));

  test('in the explanation', () => {
    const organization = { ...example, slug: account.organization };
    const facts = { account, organization, session, rules, target, app: undefined, nowSeconds };
    expect(codesOf(decideExplained(facts))).toEqual(expected);
  });
});
