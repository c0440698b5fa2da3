/** Who somebody is: an account and its identities, with two identity providers that know people of the same names. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { Browser, type VisitedPage } from '../../src/dev/tour/browser.ts';
import { endSessionsOfAccount } from '../../src/sessions/end-sessions.ts';
import { startWholeSite, type WholeSite } from '../server/whole-site.ts';
import type { TestPerson, TestProvider } from './test-provider.ts';

let site: WholeSite;
let first: TestProvider;
let second: TestProvider;
let third: TestProvider;
beforeAll(async () => {
  site = await startWholeSite({
    providers: ['default', 'second', 'weak'],
    settings: (slug, issuer) => ({
      groups: {
        prefix: slug === 'default' ? '' : `${slug}::`,
        overage: slug === 'weak' ? { fetch: `${issuer}/groups` } : 'refuse',
      },
      ...(slug === 'weak'
        ? {
            claims: { account: '{preferred_username}@acme.test', name: 'name', groups: 'groups' },
            assurance: { amr: {}, multiFactorAmr: [], multiFactorAcr: [], stepUp: null },
          }
        : {}),
    }),
  });
  [first, second, third] = site.providers as [TestProvider, TestProvider, TestProvider];
});
afterAll(() => site.close());
afterEach(() => {
  for (const { behaviour } of site.providers) {
    behaviour.claims = null;
    behaviour.amr = ['pwd'];
    behaviour.acr = null;
    behaviour.groupsOverage = false;
  }
});

const at = (path: string) => new URL(path, site.publicUrl);
/** Until the test is over, the provider says this of everybody. */
const says = (provider: TestProvider, claims: (person: TestPerson) => Record<string, unknown>) => {
  provider.behaviour.claims = claims;
};

async function signIn(browser: Browser, provider: TestProvider, username: string): Promise<VisitedPage> {
  const { text } = await browser.open(at('/console/sign-in'));
  const [, href = '/none'] = new RegExp(`href="(/login/choose/[^"]+/${provider.slug})"`).exec(text) ?? [];
  return await provider.logIn(browser, at(href), username);
}

async function press(browser: Browser, path: string, fields: Record<string, string>): Promise<VisitedPage> {
  const { text, url } = await browser.open(at('/console/identities'));
  const [, csrf_token = ''] = /name="csrf_token" value="([^"]+)"/.exec(text) ?? [];
  const body = new URLSearchParams({ csrf_token, ...fields });
  const page = await browser.open(at(path), { method: 'POST', body, from: url });
  // The answer to a form does not lead elsewhere by itself: a page does.
  const [, href] = /<a class="button" href="([^"]+)">Go on</.exec(page.text) ?? [];
  const unescaped = href?.replace(/&#([0-9]+);/g, (_, number) => String.fromCharCode(Number(number)));
  return unescaped === undefined ? page : await browser.open(new URL(unescaped, page.url));
}

/** Asks for a further identity, logs in as `own` once more, and at the other provider as `other`. */
async function link(
  browser: Browser,
  own: string,
  provider: TestProvider,
  other: string,
): Promise<VisitedPage> {
  const atOwn = await press(browser, '/console/identities/link', { provider: provider.slug });
  const atOther = await first.logIn(browser, atOwn, own);
  if (atOther.url.origin !== provider.issuer) return atOther;
  return await provider.logIn(browser, atOther, other);
}

/** Sends the form that the page would send by itself: a provider's, when somebody else logs in there. */
async function sent(browser: Browser, page: VisitedPage): Promise<VisitedPage> {
  const [, action = ''] = /<form method="post" action="([^"]+)"/.exec(page.text) ?? [];
  const fields = [...page.text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
  const body = new URLSearchParams();
  for (const [, name = '', value = ''] of fields) body.append(name, value);
  return await browser.open(new URL(action), { method: 'POST', body, from: page.url });
}

async function accounts() {
  const rows = await site.database.db
    .selectFrom('identities')
    .innerJoin('accounts', 'accounts.id', 'identities.account_id')
    .select(['accounts.name', 'issuer', 'subject'])
    .where(
      'issuer',
      'in',
      site.providers.map(({ issuer }) => issuer),
    )
    .execute();
  const found = rows.map(({ name, issuer, subject }) => {
    const provider = site.providers.find((each) => each.issuer === issuer);
    return `${provider?.slug}/${subject} is ${name}`;
  });
  return found.sort();
}
async function facts(event: string) {
  const rows = await site.database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', event)
    .execute();
  return rows.map((row) => row.facts as Record<string, unknown>);
}
async function accountIdsOf(subject: string, { issuer }: TestProvider) {
  const query = site.database.db.selectFrom('identities').select('account_id').where('issuer', '=', issuer);
  const rows = await query.where('subject', '=', subject).execute();
  return rows.map(({ account_id }) => account_id);
}
/** The session that a login starts. */
async function sessionBy(browser: Browser, provider: TestProvider, subject: string) {
  const before = (await sessionsOf(subject, provider)).map(({ id }) => id);
  await signIn(browser, provider, subject);
  return (await sessionsOf(subject, provider)).find(({ id }) => !before.includes(id));
}
async function sessionsOf(subject: string, provider: TestProvider) {
  return await site.database.db
    .selectFrom('login_sessions')
    .select(['id', 'mfa', 'mfa_by', 'mfa_methods', 'ended_at', 'ended_reason'])
    .where('subject', '=', subject)
    .where('issuer', '=', provider.issuer)
    .orderBy('created_at', 'desc')
    .execute();
}

test('[abuse 65] an e-mail address is only a label: a person is who their provider’s subject says', async () => {
  // Unverified, or not said to be: nobody's name.
  for (const email_verified of [false, undefined]) {
    says(first, () => ({ email_verified }));
    expect((await signIn(new Browser(), first, 'bob')).text).toContain('e-mail address');
  }
  // Two at signs are no address, and nothing is cut off until one is.
  says(first, () => ({ email: 'bob@acme.test@evil.test' }));
  expect((await signIn(new Browser(), first, 'bob')).text).toContain('account name that is not acceptable');
  expect(await accounts()).toEqual([]);

  first.behaviour.claims = null;
  expect((await signIn(new Browser(), first, 'bob')).url.pathname).toBe('/console/sessions');
  expect(await accounts()).toEqual(['default/bob is bob@acme.test']);
  // Another address is still bob, under the name he has.
  says(first, () => ({ email: 'robert@acme.test' }));
  expect((await signIn(new Browser(), first, 'bob')).text).toContain('bob@acme.test');
  // An address with a plus is another name than the one without.
  says(first, ({ username }) => (username === 'carol' ? { email: 'bob+carol@acme.test' } : {}));
  await signIn(new Browser(), first, 'carol');
  expect(await accounts()).toEqual(['default/bob is bob@acme.test', 'default/carol is bob+carol@acme.test']);
  // Bob has left; whoever gets his address does not get his account.
  first.disable('bob');
  says(first, () => ({ email: 'bob@acme.test' }));
  const page = await signIn(new Browser(), first, 'alice');
  expect(page.text).toContain('The account bob@acme.test belongs to another identity');
  expect((await accounts()).filter((each) => each.endsWith('is bob@acme.test'))).toEqual([
    'default/bob is bob@acme.test',
  ]);
  first.enable('bob');
});

test('[abuse 66] a verified address is asked for at the first login and when an identity is linked', async () => {
  says(second, () => ({ email_verified: false }));
  const before = await accounts();
  expect((await signIn(new Browser(), second, 'alice')).text).toContain(
    'has not verified your e-mail address',
  );
  const browser = new Browser();
  await signIn(browser, first, 'bob');
  const page = await link(browser, 'bob', second, 'bob');
  expect(page.text).toContain('has not verified your e-mail address');
  expect(await accounts()).toEqual(before);
  expect(await facts('account.linked')).toEqual([]);
});

test('an identity that claims a name in use is not linked by that', async () => {
  const page = await signIn(new Browser(), second, 'bob');
  expect(page.text).toContain('The account bob@acme.test belongs to another identity');
  expect(await sessionsOf('bob', second)).toEqual([]);
});

test('whoever logs in with another account than the own one links nothing', async () => {
  const before = await accounts();
  const browser = new Browser();
  await signIn(browser, first, 'bob');
  const page = await sent(browser, await link(browser, 'alice', second, 'bob'));
  expect(page.text).toContain('You logged in with another account');
  expect(await accounts()).toEqual(before);
});

test('an identity outside the organization’s domains is not linked', async () => {
  says(second, () => ({ email: 'bob@globex.test' }));
  const before = await accounts();
  const browser = new Browser();
  await signIn(browser, first, 'bob');
  expect((await link(browser, 'bob', second, 'bob')).text).toContain(
    'Accounts of globex.test may not log in',
  );
  expect(await accounts()).toEqual(before);
});

test('nothing is linked for a console session that was ended meanwhile', async () => {
  const before = await accounts();
  const browser = new Browser();
  await signIn(browser, first, 'bob');
  const atOwn = await press(browser, '/console/identities/link', { provider: 'second' });
  const [accountId = ''] = await accountIdsOf('bob', first);
  await inTransaction(site.database.db, (tx) =>
    endSessionsOfAccount(tx, { accountId, reason: 'revoked', by: 'the test' }, site.clock.now),
  );
  const atOther = await first.logIn(browser, atOwn, 'bob');
  const page = await second.logIn(browser, atOther, 'bob');
  expect(page.status).toBe(401);
  expect(await accounts()).toEqual(before);
});

test('whoever proves both gets one account with two identities, and sees them', async () => {
  const browser = new Browser();
  await signIn(browser, first, 'bob');
  const page = await link(browser, 'bob', second, 'bob');
  expect(page.url.pathname).toBe('/console/identities');
  expect(page.text).toContain('Provider second');
  expect(await accounts()).toContain('second/bob is bob@acme.test');
  expect(await facts('account.linked')).toEqual([
    { name: 'bob@acme.test', issuer: second.issuer, subject: 'bob', by: 'bob@acme.test' },
  ]);
  expect((await signIn(new Browser(), second, 'bob')).text).toContain('bob@acme.test');
});

test('an identity of another account is not taken from it', async () => {
  const browser = new Browser();
  await signIn(browser, first, 'carol');
  const page = await link(browser, 'carol', second, 'bob');
  expect(page.text).toContain('This identity belongs to another account');
  expect(await accounts()).toContain('second/bob is bob@acme.test');
});

test('whoever has a second factor shows it before another identity, with one of its own, is linked', async () => {
  const browser = new Browser();
  await signIn(browser, first, 'carol');
  const [account_id = ''] = await accountIdsOf('carol', first);
  const passkey = {
    account_id,
    credential_id: Buffer.from('id'),
    public_key: Buffer.from('key'),
    counter: '0',
  };
  const model = '01020304-0506-0708-0102-030405060708';
  const { db } = site.database;
  await db
    .insertInto('passkeys')
    .values({ ...passkey, model, transports: [], backed_up: false, name: 'Key' })
    .execute();
  const before = await accounts();
  expect((await link(browser, 'carol', second, 'carol')).text).toContain('Use your passkey');
  await db.deleteFrom('passkeys').execute();
  first.behaviour.amr = ['mfa'];
  await signIn(browser, first, 'carol');
  first.behaviour.amr = ['pwd'];
  expect((await link(browser, 'carol', second, 'carol')).text).toContain('Add a passkey');
  expect(await accounts()).toEqual(before);
  first.behaviour.amr = ['mfa'];
  expect((await link(browser, 'carol', second, 'carol')).url.pathname).toBe('/console/identities');
  expect(await accounts()).not.toEqual(before);
  await db
    .deleteFrom('identities')
    .where('account_id', '=', account_id)
    .where('issuer', '=', second.issuer)
    .execute();
});

test('[abuse 67] a weak provider’s amr and acr prove nothing, and nothing is taken over from a strong one', async () => {
  const browser = new Browser();
  await signIn(browser, first, 'bob');
  await link(browser, 'bob', third, 'bob');
  for (const provider of [first, third]) {
    provider.behaviour.amr = ['pwd', 'mfa', 'hwk'];
    provider.behaviour.acr = 'urn:okta:loa:2fa:any';
  }
  const strong = await sessionBy(browser, first, 'bob');
  expect(strong).toMatchObject({ mfa: true, mfa_by: 'provider', mfa_methods: ['hwk', 'mfa', 'pwd'] });
  // The same person, in the same browser, a moment later.
  const weak = await sessionBy(browser, third, 'bob');
  expect(weak).toMatchObject({ mfa: false, mfa_by: null, mfa_methods: [] });
});

test('[abuse 72] rules name groups by id: a new group of the old name, a group of another provider or a part of a path is not it', async () => {
  const { db } = site.database;
  const [accountId = ''] = await accountIdsOf('bob', second);
  await db
    .insertInto('access_rules')
    .values({ organization_id: site.shop.organizationId, group_name: 'second::7c4f-id', role: 'admin' })
    .execute();
  const isAdmin = async (provider: TestProvider, groups: readonly string[]) => {
    says(provider, () => ({ groups }));
    const browser = new Browser();
    await signIn(browser, provider, 'bob');
    return (await browser.open(at('/console/sign-in-settings'))).status === 200;
  };
  // Renamed at the provider, the id stays and the rule goes on.
  expect(await isAdmin(second, ['7c4f-id'])).toBe(true);
  // Somebody made a new group of the old name, with another id.
  expect(await isAdmin(second, ['9d1e-id', 'Platform'])).toBe(false);
  // Nested groups count only where the provider lists them, each by itself.
  expect(await isAdmin(second, ['/parent/7c4f-id', '7c4f-id/child', '7C4F-ID'])).toBe(false);
  expect(await isAdmin(second, ['outer-id', '7c4f-id'])).toBe(true);
  // The same word at another provider is another group, and none can be made to read like it.
  expect(await isAdmin(third, ['7c4f-id'])).toBe(false);
  says(first, () => ({ groups: ['second::7c4f-id'] }));
  expect((await signIn(new Browser(), first, 'bob')).text).toContain(
    'reads like one of another identity provider',
  );
  const { groups } = await db
    .selectFrom('account_groups')
    .select((row) => row.fn.agg<string[]>('array_agg', ['group_name']).as('groups'))
    .where('account_id', '=', accountId)
    .executeTakeFirstOrThrow();
  expect(groups).toEqual(['weak::7c4f-id']);
});

test('[abuse 71] more groups than the provider sends are fetched, or the login is refused; never none and never all', async () => {
  const [accountId = ''] = await accountIdsOf('bob', third);
  const groups = async () => {
    const query = site.database.db.selectFrom('account_groups').select('group_name').orderBy('group_name');
    return (await query.where('account_id', '=', accountId).execute()).map(({ group_name }) => group_name);
  };
  // What is asked for there is known of the first person only; that it was asked for is what counts.
  third.behaviour.groupsOverage = true;
  await signIn(new Browser(), third, 'bob');
  expect(await groups()).toEqual(['weak::admins']);

  first.behaviour.groupsOverage = true;
  const before = await sessionsOf('bob', first);
  expect((await signIn(new Browser(), first, 'bob')).text).toContain('You are in more groups');
  // Entra ID's way of saying so, and a list that no provider's limit explains.
  first.behaviour.groupsOverage = false;
  const many = Array.from({ length: 1_001 }, (_, index) => `group ${index}`);
  for (const claims of [
    { groups: undefined, hasgroups: true },
    { groups: ['admins'], hasgroups: 'true' },
    { groups: many },
  ]) {
    says(first, () => claims);
    expect((await signIn(new Browser(), first, 'bob')).text).toContain('You are in more groups');
  }
  expect(await sessionsOf('bob', first)).toEqual(before);
  expect(await groups()).toEqual(['weak::admins']);
});

test('an unlinked identity is nobody’s: its sessions end, and its login gets no account by name', async () => {
  const browser = new Browser();
  await signIn(browser, first, 'bob');
  await signIn(new Browser(), second, 'bob');
  const page = await press(browser, '/console/identities/unlink', { issuer: second.issuer, subject: 'bob' });
  expect(page.url.pathname).toBe('/console/identities');
  expect(await accounts()).not.toContain('second/bob is bob@acme.test');
  const ended = await sessionsOf('bob', second);
  expect(ended.every(({ ended_at }) => ended_at !== null)).toBe(true);
  expect(ended[0]?.ended_reason).toBe('unlinked');
  expect((await signIn(new Browser(), second, 'bob')).text).toContain('belongs to another identity');
  expect(await facts('account.unlinked')).toMatchObject([{ subject: 'bob', by: 'bob@acme.test' }]);
});

test('the last identity stays', async () => {
  const browser = new Browser();
  await signIn(browser, first, 'carol');
  const page = await press(browser, '/console/identities/unlink', { issuer: first.issuer, subject: 'carol' });
  expect(page.status).toBe(403);
  expect(await accounts()).toContain('default/carol is bob+carol@acme.test');
});
