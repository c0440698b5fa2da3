import { describe, expect, test } from 'vitest';
import { checkCiRule, type RuleToCheck } from '../../src/credentials/check-ci-rule.ts';

const github: RuleToCheck = {
  system: 'github',
  issuer: 'https://token.actions.githubusercontent.com',
  audience: 'https://ssh.example.com',
  claims: { repository: ['acme/web'] },
};
const check = (change: Partial<RuleToCheck>) =>
  checkCiRule({ ...github, ...change }, { allowInsecureLoopback: false });
const refused = (words: string) =>
  expect.objectContaining({ code: 'request_malformed', message: expect.stringContaining(words) });

describe('a rule that names an owner is taken', () => {
  test.each<[RuleToCheck['system'], string, Record<string, string[]>]>([
    ['github', github.issuer, { repository: ['acme/*'] }],
    ['github', github.issuer, { repository_owner_id: ['123456'], repository: ['*/web'] }],
    ['github', github.issuer, { repository_owner: ['acme'] }],
    [
      'github',
      github.issuer,
      { sub: ['repo:acme/web:ref:refs/heads/main', 'repo:acme@1/*:environment:prod'] },
    ],
    ['github', `${github.issuer}/acme-enterprise`, { repository_id: ['1'] }],
    ['github', 'https://token.actions.acme.ghe.com', { repository_id: ['1'] }],
    [
      'github',
      'https://github.acme.example/_services/token',
      { repository_id: ['1'], repo_property_team: ['ops'] },
    ],
    ['gitlab', 'https://gitlab.com', { project_id: ['20'] }],
    ['gitlab', 'https://gitlab.com', { namespace_path: ['acme'] }],
    ['gitlab', 'https://gitlab.acme.example', { project_path: ['acme/**'] }],
    ['gitlab', 'https://gitlab.com', { sub: ['project_path:acme/web:ref_type:branch:ref:main'] }],
    ['forgejo', 'https://codeberg.org/api/actions', { repository: ['acme/web'] }],
    [
      'kubernetes',
      'https://oidc.eks.eu-central-1.amazonaws.com/id/AB12',
      { sub: ['system:serviceaccount:ci:*'] },
    ],
    ['kubernetes', 'https://cluster.example.com', { '/kubernetes.io/namespace': ['ci'] }],
    ['other', 'https://buildkite.example.com', { organization: ['acme'], pipeline: ['*-deploy'] }],
  ])('%s at %s: %j', (system, issuer, claims) => {
    check({ system, issuer, claims });
  });
});

describe('a rule that would match anybody is refused, with the reason', () => {
  test.each<[RuleToCheck['system'], string, Record<string, string[]>]>([
    ['github', github.issuer, { ref: ['refs/heads/main'] }],
    ['github', github.issuer, { repository: ['*/web'] }],
    ['github', github.issuer, { repository: ['acme*/web'] }],
    ['github', github.issuer, { repository: ['acme/web', '**/web'] }],
    ['github', github.issuer, { repository_owner: ['acme*'] }],
    ['github', github.issuer, { sub: ['repo:*/web:ref:refs/heads/main'] }],
    ['github', github.issuer, { sub: ['repo:acme*/web:ref:refs/heads/main'] }],
    // A workflow that anybody can call, a name that anybody can give to theirs.
    [
      'github',
      github.issuer,
      { job_workflow_ref: ['acme/automation/.github/workflows/deploy.yml@refs/heads/main'] },
    ],
    ['github', github.issuer, { workflow: ['deploy'], environment: ['production'] }],
    ['github', github.issuer, { repository_visibility: ['private'] }],
    ['gitlab', 'https://gitlab.com', { ref: ['main'], environment: ['production'] }],
    ['gitlab', 'https://gitlab.com', { project_path: ['**/web'] }],
    ['gitlab', 'https://gitlab.com', { user_email: ['alice@acme.example'] }],
    ['forgejo', 'https://codeberg.org/api/actions', { sub: ['repo:acme-1/web-2:ref:refs/heads/main'] }],
    ['forgejo', 'https://codeberg.org/api/actions', { actor: ['acme'] }],
    ['kubernetes', 'https://cluster.example.com', { sub: ['system:serviceaccount:*:deployer'] }],
    ['kubernetes', 'https://cluster.example.com', { '/kubernetes.io/serviceaccount/name': ['deployer'] }],
  ])('%s at %s: %j', (system, issuer, claims) => {
    expect(() => check({ system, issuer, claims })).toThrowError(refused('would match anybody'));
  });

  test('of an unknown system without one claim in full', () => {
    const rule = { system: 'other' as const, issuer: 'https://ci.example.com', claims: { pipeline: ['a*'] } };
    expect(() => check(rule)).toThrowError(refused('matches strangers'));
  });

  test.each([
    'https://token.actions.githubusercontent.com',
    'https://token.actions.githubusercontent.com/acme',
    'https://gitlab.com',
    'https://codeberg.org/api/actions',
  ])('under another name than its system: %s', (issuer) => {
    expect(() => check({ system: 'other', issuer, claims: { ref: ['main'] } })).toThrowError(
      refused('Make the rule with system'),
    );
  });
});

describe('a rule that could never match as meant is refused', () => {
  test.each([
    [{ repository: ['acme/web'], repositry_id: ['1'] }, 'have no claim repositry_id'],
    [{ repository: ['acme/web'], aud: ['x'] }, 'aud is checked anyway'],
    [{ repository: ['acme/web'], exp: ['x'] }, 'exp is checked anyway'],
    [{ repository: ['acme/web'], ref: ['*'] }, 'says nothing'],
    [{ repository: ['acme/web'], ref: ['**'] }, 'says nothing'],
  ])('%j', (claims, words) => {
    expect(() => check({ claims: claims as Record<string, string[]> })).toThrowError(refused(words));
  });

  test.each([
    'http://token.actions.githubusercontent.com',
    'https://token.actions.githubusercontent.com?x',
    'https://token.actions.githubusercontent.com#',
    'https://user@token.actions.githubusercontent.com',
    'https://TOKEN.actions.githubusercontent.com',
    'https://token.actions.githubusercontent.com:443',
    'https://token.actions.githubusercontent.com/../x',
    'https://token.actions.githubusercontent.com.evil.example',
    'https://evil.example/token.actions.githubusercontent.com',
    'file:///etc/passwd',
    'github',
  ])('issuer %s', (issuer) => {
    expect(() => check({ issuer })).toThrowError(refused('issuer'));
  });

  test.each([
    'https://github.com/acme',
    'https://gitlab.com',
    'sigstore',
    'sts.amazonaws.com',
    'api://AzureADTokenExchange',
    'https://kubernetes.default.svc.cluster.local',
    'https://token.actions.githubusercontent.com',
  ])('audience %s, which is made for others', (audience) => {
    expect(() => check({ audience })).toThrowError(refused('what other services accept too'));
  });
});

test('everything that is wrong is told at once', () => {
  expect(() => check({ issuer: 'x', audience: 'sigstore', claims: { nonsense: ['a'] } })).toThrowError(
    expect.objectContaining({ message: expect.stringMatching(/issuer.*sigstore.*nonsense.*anybody/s) }),
  );
});
