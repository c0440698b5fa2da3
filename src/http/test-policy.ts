/** Tries the cases of a policy test: facts and what is expected in, what is found out. Pure. */
import type { PolicyCase, PolicyTestReply } from '../api/policy-test.ts';
import { decideExplained } from '../policy/decide-explained.ts';
import type { AccountFacts, OrganizationFacts, SessionFacts } from '../policy/facts.ts';
import { acceptedKey } from '../policy/hardware-keys.ts';
import type { PolicyFacts } from './policy-facts.ts';

type Result = PolicyTestReply['results'][number];

export function testPolicy(
  cases: readonly PolicyCase[],
  facts: PolicyFacts,
  nowSeconds: number,
): PolicyTestReply {
  const results = cases.map((one) => tryCase(one, facts, nowSeconds));
  const passed = results.filter((result) => result.passed).length;
  return { passed, failed: results.length - passed, results };
}

function tryCase(tried: PolicyCase, facts: PolicyFacts, now: number): Result {
  const { name, target, expect, reasons = null } = tried;
  const expected = { allowed: expect === 'allowed', reasons };
  const account = accountOf(tried, facts);
  if (account === undefined) {
    const problem = `There is no account ${tried.account} in the organization.`;
    return { name, passed: false, expected, found: null, problem };
  }
  const { organization, rules, targets, apps } = facts;
  const nowSeconds = tried.at === undefined ? now : Math.floor(Date.parse(tried.at) / 1000);
  const decision = decideExplained({
    account,
    organization,
    session: sessionOf(tried, organization, nowSeconds),
    key: acceptedKey(organization),
    rules,
    target: targets.get(target),
    app: apps.get(target),
    nowSeconds,
  });
  const found = {
    allowed: decision.allowed,
    reasons: decision.allowed ? [] : decision.reasons.map(({ code, message }) => ({ code, message })),
  };
  const codes = found.reasons.map(({ code }) => code);
  const passed = found.allowed === expected.allowed && (reasons === null || sameCodes(codes, reasons));
  return { name, passed, expected, found, problem: null };
}

function accountOf({ account, groups }: PolicyCase, facts: PolicyFacts): AccountFacts | undefined {
  const known = account === undefined ? anybody(facts.organization) : facts.accounts.get(account);
  return known && groups ? { ...known, groups } : known;
}

/** Somebody of the organization whom no rule names: the groups alone count. */
function anybody({ slug }: OrganizationFacts): AccountFacts {
  return { name: 'anybody@policy.test', organization: slug, disabled: false, groups: [] };
}

/** A login that lasts, with a second factor that the organization takes, or none. */
function sessionOf(
  { mfa, mode, role_limit }: PolicyCase,
  { mfaSources, mfaMethods }: OrganizationFacts,
  nowSeconds: number,
): SessionFacts {
  const has = mfa !== 'none';
  const time = nowSeconds - (mfa === 'none' ? 0 : mfa.age);
  return {
    id: '00000000-0000-0000-0000-000000000000',
    mode,
    ended: false,
    expiresAtSeconds: nowSeconds + longEnoughSeconds,
    assurance: {
      amr: [],
      acr: null,
      authTimeSeconds: time,
      mfa: has,
      mfaBy: has ? (mfaSources[0] ?? null) : null,
      mfaMethods: has ? (mfaMethods ?? ['mfa']) : [],
      mfaTimeSeconds: has ? time : null,
    },
    roleLimit: role_limit ?? null,
  };
}

const longEnoughSeconds = 43_200;

function sameCodes(found: readonly string[], expected: readonly string[]): boolean {
  const text = (codes: readonly string[]) => [...new Set(codes)].sort().join();
  return text(found) === text(expected);
}
