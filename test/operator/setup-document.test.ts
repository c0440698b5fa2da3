import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { setupDocument } from '../../src/operator/setup-document.ts';

const web = { slug: 'web', instances: [{ address: '10.0.0.5', login: 'web' }] };
const production = { slug: 'production', kind: 'production', apps: [web] };
const least = {
  organization: { slug: 'acme', name: 'Acme', domains: ['example.com'] },
  access_rules: [],
};
const withApps = (apps: unknown[]) => ({
  ...least,
  projects: [{ slug: 'shop', environments: [{ ...production, apps }] }],
});

test('the example in deploy/ is a setup document', async () => {
  const text = await readFile(join(import.meta.dirname, '../../deploy/setup.example.json'), 'utf8');
  expect(setupDocument.safeParse(JSON.parse(text)).error).toBeUndefined();
});

test('what is left out has defaults that open nothing', () => {
  const parsed = setupDocument.parse(withApps([web]));
  expect(parsed).toMatchObject({ gateways: [], hosts: [] });
  expect(parsed.projects[0]?.environments[0]).toEqual({
    slug: 'production',
    kind: 'production',
    mfa_required: false,
    people_only: false,
    access: 'both',
    gateways: [],
    apps: [
      { slug: 'web', ssh_role: 'contributor', instances: [{ address: '10.0.0.5', port: 22, login: 'web' }] },
    ],
  });
});

test.each([
  ['a slug in capitals', { organization: { ...least.organization, slug: 'Acme' } }, 'at organization.slug'],
  ['no domain', { organization: { ...least.organization, domains: [] } }, 'at organization.domains'],
  [
    'a source address that is a name',
    { gateways: [{ name: 'a', address: 'a', source_address: 'gate.example.com' }] },
    'at gateways[0].source_address',
  ],
  ['an unknown member', { gateway: [] }, 'Unrecognized key: "gateway"'],
  [
    'a rule for nobody',
    { access_rules: [{ role: 'admin' }] },
    'needs either group or account\n  → at access_rules[0]',
  ],
  [
    'a rule for a group and an account',
    { access_rules: [{ role: 'admin', group: 'a', account: 'a@example.com' }] },
    'needs either group or account',
  ],
  [
    'an environment without its project',
    { access_rules: [{ role: 'admin', group: 'a', environment: 'production' }] },
    'needs project beside environment',
  ],
  [
    'an address that is an option',
    { hosts: [{ name: 'web-1', address: '-oProxyCommand=x' }] },
    'is not a host name or an IP address\n  → at hosts[0].address',
  ],
  ['two apps of one name', withApps([web, web]), 'is the second one named "web"'],
  [
    'two instances without a slug',
    withApps([{ ...web, instances: [...web.instances, ...web.instances] }]),
    'is the second one without a slug',
  ],
  [
    'a gateway and a host of one name',
    { gateways: [{ name: 'a', address: 'a' }], hosts: [{ name: 'a', address: 'b' }] },
    'is the second machine named "a"\n  → at hosts[0]',
  ],
])('refuses %s and says where', (_what, change, words) => {
  const { error } = setupDocument.safeParse({ ...least, ...change });
  if (!error) throw new Error('it was accepted');
  expect(z.prettifyError(error)).toContain(words);
});
