/** What a provider's claims prove: names, groups, a second factor, and who is let in at all. */
import { describe, expect, test } from 'vitest';
import { accountNameFrom, parseAccountTemplate } from '../../src/login/account-template.ts';
import { requireAllowedClaims } from '../../src/login/allowed-claims.ts';
import { assuranceFrom } from '../../src/login/assurance.ts';
import { claimAt } from '../../src/login/claim-at.ts';
import { collidingPrefixes } from '../../src/login/colliding-prefixes.ts';
import { groupsFrom } from '../../src/login/groups.ts';
import { presets } from '../../src/login/presets.ts';

const code = (expected: string) => expect.objectContaining({ code: expected });

function nameBy(
  account: string,
  claims: Record<string, unknown>,
  change: { trustEmail?: boolean; emailDomains?: string[] } = {},
) {
  return accountNameFrom({ claims: { account }, trustEmail: false, emailDomains: null, ...change }, claims);
}

describe('a claim', () => {
  const claims = { 'a/b': 1, a: { b: [{ c: 'deep' }], '~x': 2 }, 'https://acme.example/groups': ['g'] };

  test.each([
    ['a/b', 1],
    ['/a/b/0/c', 'deep'],
    ['/a~1b', 1],
    ['/a/~0x', 2],
    ['https://acme.example/groups', ['g']],
  ])('%s is found', (reference, value) => {
    expect(claimAt(claims, reference)).toEqual(value);
  });

  test.each([
    'constructor',
    '/a/b/length',
    '/a/b/00',
    '/a/b/1',
    '/a/b/0/c/length',
    '/__proto__/x',
    'toString',
  ])('%s is none', (reference) => {
    expect(claimAt(claims, reference)).toBeUndefined();
  });
});

describe('an account template', () => {
  test.each([
    ['{preferred_username}', { preferred_username: 'Alice@Acme.example' }, 'alice@acme.example'],
    ['{preferred_username}@acme.example', { preferred_username: 'Alice' }, 'alice@acme.example'],
    ['x-{nick}.y@acme.example', { nick: 'al' }, 'x-al.y@acme.example'],
    ['{/person/login}@acme.example', { person: { login: 'al' } }, 'al@acme.example'],
    ['{https://acme.example/login}@acme.example', { 'https://acme.example/login': 'al' }, 'al@acme.example'],
    ['{email}', { email: 'alice+ssh@acme.example', email_verified: true }, 'alice+ssh@acme.example'],
  ])('%s of %j', (template, claims, name) => {
    expect(nameBy(template, claims)).toBe(name);
  });

  test('takes the part before the "@" only of an address in the one domain that is meant', () => {
    const meant = { emailDomains: ['old.example'] };
    const claims = (email: string) => ({ email, email_verified: true });
    expect(nameBy('{email:local}@acme.example', claims('alice@old.example'), meant)).toBe(
      'alice@acme.example',
    );
    for (const email of ['alice@evil.example', 'alice@old.example.evil.example', 'alice@sub.old.example']) {
      expect(() => nameBy('{email:local}@acme.example', claims(email), meant)).toThrow(
        code('login_rejected'),
      );
    }
  });

  test.each([
    'email',
    '',
    '{}',
    '{email}{name}',
    '{email}@',
    '{email}@acme',
    '{email}@acme.example@evil.example',
    '@acme.example',
    'root@acme.example',
    '{email:local}',
    '{email}@{domain}',
    'A{x}@acme.example',
    '{a b}@acme.example',
    '{/a~2}',
    '{x}@acme.example\n',
  ])('%j is none', (template) => {
    expect(parseAccountTemplate(template)).toBeUndefined();
  });

  test.each([
    ['two at signs', '{preferred_username}', 'alice@acme.example@evil.example'],
    ['an address where a name is meant', '{preferred_username}@acme.example', 'alice@evil.example'],
    ['an empty part', '{preferred_username}', '@acme.example'],
    ['an empty name', '{preferred_username}@acme.example', ''],
    ['an empty domain', '{preferred_username}', 'alice@'],
    ['a quoted part', '{preferred_username}', '"alice@acme.example"@evil.example'],
    ['a comment', '{preferred_username}', 'alice(x)@acme.example'],
    ['beyond ASCII', '{preferred_username}', 'аlice@acme.example'],
    ['a letter whose lower case is ASCII', '{preferred_username}', '\u212aim@acme.example'],
    ['white space', '{preferred_username}', ' alice@acme.example'],
    ['a new line', '{preferred_username}', 'alice@acme.example\n'],
    ['a comma', '{preferred_username}', 'alice,root@acme.example'],
    ['a NUL', '{preferred_username}@acme.example', 'alice\0'],
  ])('refuses %s', (_what, template, preferred_username) => {
    expect(() => nameBy(template, { preferred_username })).toThrow(code('name_refused'));
  });

  test.each([undefined, null, 7, ['alice@acme.example'], { a: 1 }])('refuses %j as no text', (value) => {
    expect(() => nameBy('{preferred_username}', { preferred_username: value })).toThrow(
      code('login_rejected'),
    );
  });
});

describe('an e-mail address names an account', () => {
  const email = 'alice@acme.example';

  test.each(['{email}', '{/email}'])('by %s only where it is verified', (template) => {
    expect(nameBy(template, { email, email_verified: true })).toBe(email);
    expect(nameBy(template, { email, email_verified: 'true' })).toBe(email);
    for (const email_verified of [undefined, false, 'false', null, 1, 'yes', {}]) {
      expect(() => nameBy(template, { email, email_verified })).toThrow(code('login_rejected'));
    }
  });

  test('unsaid, if the provider is trusted to verify; said not to be, never', () => {
    expect(nameBy('{email}', { email }, { trustEmail: true })).toBe(email);
    for (const email_verified of [false, 'false', null]) {
      expect(() => nameBy('{email}', { email, email_verified }, { trustEmail: true })).toThrow(
        code('login_rejected'),
      );
    }
  });
});

describe('whom the settings let in', () => {
  const settings = { trustEmail: false, emailDomains: null, requiredClaims: {} };
  const allowed = (change: object, claims: object) => () =>
    requireAllowedClaims({ ...settings, ...change }, claims as Record<string, unknown>);

  test.each([
    [{ hd: 'acme.example' }, true],
    [{ hd: ['other.example', 'acme.example'] }, true],
    [{ hd: 'ACME.example' }, false],
    [{ hd: 'evil-acme.example' }, false],
    [{ hd: '' }, false],
    [{}, false],
    [{ hd: true }, false],
    [{ hd: { 0: 'acme.example' } }, false],
  ])('a required claim of %j: %s', (claims, passes) => {
    const check = allowed({ requiredClaims: { hd: ['acme.example'] } }, claims);
    if (passes) expect(check).not.toThrow();
    else expect(check).toThrow(code('login_rejected'));
  });

  test('every required claim, nested ones too', () => {
    const requiredClaims = { tid: ['t'], '/realm/roles': ['ssh'] };
    expect(allowed({ requiredClaims }, { tid: 't', realm: { roles: ['a', 'ssh'] } })).not.toThrow();
    expect(allowed({ requiredClaims }, { tid: 't', realm: { roles: ['a'] } })).toThrow(
      code('login_rejected'),
    );
    expect(allowed({ requiredClaims }, { realm: { roles: ['ssh'] } })).toThrow(code('login_rejected'));
  });

  test('a verified address in an allowed domain, where there are such', () => {
    const emailDomains = ['acme.example'];
    const verified = { email_verified: true };
    expect(allowed({ emailDomains }, { email: 'a@acme.example', ...verified })).not.toThrow();
    for (const email of ['a@evil.example', 'a@sub.acme.example', 'a@acme.example.evil.example']) {
      expect(allowed({ emailDomains }, { email, ...verified })).toThrow(code('login_rejected'));
    }
    expect(allowed({ emailDomains }, { email: 'a@acme.example' })).toThrow(code('login_rejected'));
    expect(allowed({ emailDomains }, verified)).toThrow(code('login_rejected'));
    expect(allowed({ emailDomains }, { email: 'a@b@acme.example', ...verified })).toThrow(
      code('name_refused'),
    );
  });
});

describe('assurance', () => {
  const { okta, dex, keycloak, entra } = presets;
  const none = { mfa: false, methods: [] };

  test('what a weak provider says in a strong one’s words is worth what its own mapping says', () => {
    const said = { amr: ['pwd', 'mfa'], acr: 'urn:okta:loa:2fa:any' };
    expect(assuranceFrom(okta.assurance, said)).toEqual({ mfa: true, methods: ['mfa', 'pwd'] });
    expect(assuranceFrom(dex.assurance, said)).toEqual(none);
    expect(assuranceFrom(keycloak.assurance, { acr: 'urn:okta:loa:2fa:any' })).toEqual(none);
    expect(assuranceFrom(entra.assurance, { amr: ['ngcmfa', 'rsa'] })).toEqual({
      mfa: true,
      methods: ['mfa', 'swk'],
    });
    expect(assuranceFrom(okta.assurance, { amr: ['ngcmfa', 'rsa'] })).toEqual(none);
  });

  test('[abuse 69] amr as text, nested, in another case or unknown says nothing', () => {
    for (const amr of [
      'mfa',
      [['mfa']],
      [{ 0: 'mfa' }],
      ['MFA'],
      ['Mfa'],
      ['mfa '],
      ['unheard-of'],
      { 0: 'mfa' },
      7,
      null,
    ]) {
      expect(assuranceFrom(okta.assurance, { amr })).toEqual(none);
    }
    // A list that is not one of names throughout is none: what else it means is unknown.
    expect(assuranceFrom(okta.assurance, { amr: ['mfa', 1] })).toEqual(none);
    expect(assuranceFrom(okta.assurance, { amr: ['mfa', 'unheard-of', 'constructor'] }).methods).toEqual([
      'mfa',
    ]);
  });

  test('all of one set, not some of several', () => {
    expect(assuranceFrom(keycloak.assurance, { amr: ['pwd', 'otp'] })).toEqual({
      mfa: true,
      methods: ['mfa', 'otp', 'pwd'],
    });
    expect(assuranceFrom(keycloak.assurance, { amr: ['otp', 'hwk'] })).toEqual(none);
    expect(assuranceFrom({ ...dex.assurance, multiFactorAmr: [[]] }, { amr: [] })).toEqual(none);
  });

  test.each([
    ['mfa', true],
    ['MFA', false],
    ['0', false],
    [['mfa'], false],
    [undefined, false],
  ])('acr %j counts: %s', (acr, mfa) => {
    expect(assuranceFrom(keycloak.assurance, { acr }).mfa).toBe(mfa);
  });
});

describe('groups', () => {
  const settings = (groups = 'groups', prefix = '') => ({ claims: { groups }, groups: { prefix } });

  test('of a claim, of a nested one, and with the provider’s prefix', () => {
    expect(groupsFrom({ groups: ['b', 'a', 'b'] }, settings())).toEqual({
      kind: 'known',
      groups: ['a', 'b'],
    });
    const nested = { resource_access: { sallyport: { roles: ['admins'] } } };
    expect(groupsFrom(nested, settings('/resource_access/sallyport/roles', 'kc::'))).toEqual({
      kind: 'known',
      groups: ['kc::admins'],
    });
    expect(groupsFrom({}, settings())).toEqual({ kind: 'known', groups: [] });
  });

  test.each([['a,b'], [['a', 1]], [['']], [{ a: true }], [[['a']]], [true]])(
    '%j is no list of names',
    (groups) => {
      expect(() => groupsFrom({ groups }, settings())).toThrow(code('login_rejected'));
    },
  );

  test('more groups than are sent are unknown, not none and not the part that was sent', () => {
    const elsewhere = { kind: 'elsewhere' };
    const sources = { _claim_sources: { src1: { endpoint: 'https://graph.example/me/getMemberObjects' } } };
    expect(groupsFrom({ _claim_names: { groups: 'src1' }, ...sources }, settings())).toEqual(elsewhere);
    expect(groupsFrom({ groups: ['a'], _claim_names: { groups: 'src1' } }, settings())).toEqual(elsewhere);
    expect(groupsFrom({ hasgroups: true }, settings())).toEqual(elsewhere);
    expect(groupsFrom({ hasgroups: 'true', groups: ['a'] }, settings())).toEqual(elsewhere);
    expect(groupsFrom({ _claim_names: { acme: 'src1' } }, settings('/acme/groups'))).toEqual(elsewhere);
    const many = Array.from({ length: 1001 }, (_, index) => `g${index}`);
    expect(groupsFrom({ groups: many }, settings())).toEqual(elsewhere);
    expect(groupsFrom({ groups: many.slice(1) }, settings())).toMatchObject({ kind: 'known' });
    expect(groupsFrom({ groups: ['a'], _claim_names: { emails: 'src1' } }, settings())).toMatchObject({
      kind: 'known',
    });
  });

  const provider = (slug: string, prefix: string, organization = 'acme') => ({
    slug,
    settings: { organization, groups: { prefix, overage: 'refuse' as const } },
  });

  test.each(['', 'okta::'])('two providers of one organization can not share the prefix %j', (prefix) => {
    expect(collidingPrefixes([provider('x', prefix), provider('y', prefix)])).toHaveLength(1);
    expect(collidingPrefixes([provider('x', prefix), provider('y', prefix, 'globex')])).toEqual([]);
    expect(collidingPrefixes([provider('x', prefix), provider('y', 'entra::')])).toEqual([]);
  });

  test('without a prefix no group can read as another provider’s', () => {
    expect(() => groupsFrom({ groups: ['a', 'okta::admins'] }, settings())).toThrow(code('login_rejected'));
    for (const group of ['urn:acme:admins', 'A::b', '::b', 'a b::c']) {
      expect(groupsFrom({ groups: [group] }, settings())).toEqual({ kind: 'known', groups: [group] });
    }
    expect(groupsFrom({ groups: ['entra::admins'] }, settings('groups', 'okta::'))).toEqual({
      kind: 'known',
      groups: ['okta::entra::admins'],
    });
  });
});
