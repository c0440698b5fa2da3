import { describe, expect, it } from 'vitest';
import type { AccessRuleFacts } from '../../src/policy/facts.ts';
import { organizationRole } from '../../src/policy/organization-role.ts';
import { highestRole } from '../../src/policy/roles.ts';
import { bob, nowSeconds, rule, target } from './sample-facts.ts';

function roleOnTarget(...rules: Partial<AccessRuleFacts>[]) {
  return highestRole(
    rules.map((changed) => ({ ...rule, ...changed })),
    bob,
    target,
    nowSeconds,
  );
}

describe('highestRole', () => {
  it('counts a rule on the organization, the project or the environment', () => {
    expect(roleOnTarget({})).toBe('contributor');
    expect(roleOnTarget({ project: 'shop' })).toBe('contributor');
    expect(roleOnTarget({ project: 'shop', environment: 'production' })).toBe('contributor');
  });

  it('ignores a rule on another project, environment or organization', () => {
    expect(roleOnTarget({ project: 'blog' })).toBeNull();
    expect(roleOnTarget({ project: 'shop', environment: 'staging' })).toBeNull();
    expect(roleOnTarget({ organization: 'other' })).toBeNull();
  });

  it('ignores a rule on an environment of no project', () => {
    expect(roleOnTarget({ environment: 'production' })).toBeNull();
  });

  it('matches the account by its whole name and groups by theirs', () => {
    expect(roleOnTarget({ subject: { group: 'developers' } })).toBe('contributor');
    expect(roleOnTarget({ subject: { group: 'admins' } })).toBeNull();
    expect(roleOnTarget({ subject: { account: 'bob@example.org' } })).toBeNull();
    expect(roleOnTarget({ subject: { group: 'bob@example.com' } })).toBeNull();
  });

  it('takes the highest of several roles, whatever their order and place', () => {
    const onEnvironment = { project: 'shop', environment: 'production' };
    expect(
      roleOnTarget({ role: 'viewer' }, { role: 'admin', ...onEnvironment }, { role: 'contributor' }),
    ).toBe('admin');
    expect(roleOnTarget({ role: 'contributor' }, { role: 'viewer', ...onEnvironment })).toBe('contributor');
  });

  it('ends a rule in the second of its expiry', () => {
    expect(roleOnTarget({ expiresAtSeconds: nowSeconds + 1 })).toBe('contributor');
    expect(roleOnTarget({ expiresAtSeconds: nowSeconds })).toBeNull();
    expect(roleOnTarget({ expiresAtSeconds: Number.NaN })).toBeNull();
  });

  it('never gives an account a role in another organization, even if a group has the same name', () => {
    const elsewhere = { ...target, organization: 'other' };
    const rules = [{ ...rule, organization: 'other', subject: { group: 'developers' } }];
    expect(highestRole(rules, bob, elsewhere, nowSeconds)).toBeNull();
  });
});

describe('organizationRole', () => {
  it('is the role on the organization as a whole', () => {
    expect(organizationRole([{ ...rule, role: 'admin' }], bob, 'example', nowSeconds)).toBe('admin');
  });

  it('does not come from a project or an environment', () => {
    const rules: AccessRuleFacts[] = [
      { ...rule, role: 'admin', project: 'shop' },
      { ...rule, role: 'admin', project: 'shop', environment: 'production' },
    ];
    expect(organizationRole(rules, bob, 'example', nowSeconds)).toBeNull();
  });

  it('is nothing for a disabled account', () => {
    expect(organizationRole([rule], { ...bob, disabled: true }, 'example', nowSeconds)).toBeNull();
  });
});
