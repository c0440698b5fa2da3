import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startWholeSite, type WholeSite } from '../server/whole-site.ts';
import { hasChromium, launchChromium, logInAtProvider, program, visit } from './chromium.ts';
import { addAuthenticator, type VirtualAuthenticator } from './virtual-authenticator.ts';

describe.skipIf(!hasChromium)(`passkeys in a browser (needs ${program})`, () => {
  let site: WholeSite;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];
  let authenticator: VirtualAuthenticator;

  beforeAll(async () => {
    [site, browser] = await Promise.all([
      startWholeSite({ parts: { clock: () => new Date() } }),
      launchChromium(),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });
  beforeEach(async () => {
    ({ context, page, complaints } = await visit(browser));
    authenticator = await addAuthenticator(page);
    await policy({ mfa_required: true, passkey_models: null });
    for (const table of ['passkeys', 'recovery_codes', 'attempts'] as const) {
      await site.database.db.deleteFrom(table).execute();
    }
  });
  afterEach(() => context.close());

  async function policy(change: { mfa_required?: boolean; passkey_models?: string[] | null }): Promise<void> {
    await site.database.db.updateTable('organizations').set(change).where('slug', '=', 'acme').execute();
  }
  const at = (path: string) => new URL(path, site.publicUrl).href;

  /** Signs in anew, as far as the page that asks for a passkey. */
  async function logIn(username: string, heading: string): Promise<void> {
    await context.clearCookies();
    await page.goto(at('/console/sessions'));
    await logInAtProvider(page, username);
    await page.getByRole('heading', { name: heading }).waitFor();
  }

  /** Returns the recovery codes. */
  async function enrol(username: string): Promise<string[]> {
    await logIn(username, 'Add a passkey');
    return await addPasskey();
  }
  async function addPasskey(): Promise<string[]> {
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await page.getByRole('heading', { name: 'Keep your recovery codes' }).waitFor();
    const codes = await page.locator('.codes code').allTextContents();
    await page.getByRole('link', { name: 'I have kept them' }).click();
    return codes;
  }
  const arrived = (path = '/console/sessions') => page.waitForURL(at(path));

  async function session() {
    const cookies = await context.cookies(site.publicUrl.href);
    const row = await site.database.db
      .selectFrom('login_sessions')
      .selectAll()
      .where('kind', '=', 'browser')
      .where('ended_at', 'is', null)
      .orderBy('created_at', 'desc')
      .executeTakeFirstOrThrow();
    return { ...row, cookie: cookies.find(({ name }) => name === 'sallyport-session')?.value };
  }
  async function events(event: string) {
    const rows = await site.database.db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', event)
      .orderBy('id', 'desc')
      .execute();
    return rows.map(({ facts }) => facts);
  }

  test('one is enrolled at the first login, shown at the next, and says so in the session', async () => {
    const codes = await enrol('bob');
    await arrived();
    expect(new Set(codes).size).toBe(10);
    expect(await session()).toMatchObject({
      mfa_by: 'passkey',
      mfa_methods: ['hwk', 'user', 'mfa'],
      amr: ['pwd'],
    });
    expect(await authenticator.count()).toBe(1);

    await logIn('bob', 'Use your passkey');
    await page.getByRole('button', { name: 'Use passkey' }).click();
    await arrived();
    expect(await session()).toMatchObject({ mfa_by: 'passkey' });
    expect(await events('passkey.used')).toHaveLength(1);
    expect(complaints).toEqual([]);
  });

  test('is no second factor of an account that the identity has become one of meanwhile', async () => {
    await logIn('bob', 'Add a passkey');
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await page.getByRole('heading', { name: 'Keep your recovery codes' }).waitFor();
    const { db } = site.database;
    const { account_id } = await db
      .selectFrom('identities')
      .select('account_id')
      .where('subject', '=', 'bob')
      .executeTakeFirstOrThrow();
    const { accountId: other } = await site.guest('victor');
    const belongsTo = (id: string) =>
      db.updateTable('identities').set({ account_id: id }).where('subject', '=', 'bob').execute();
    await belongsTo(other);
    await page.getByRole('link', { name: 'I have kept them' }).click();
    await page.getByRole('heading', { name: 'This login can’t go on' }).waitFor();
    await belongsTo(account_id);
    const sessions = await db
      .selectFrom('login_sessions')
      .select('id')
      .where('account_id', '=', other)
      .where('mfa_by', '=', 'passkey')
      .execute();
    expect(sessions).toEqual([]);
  });

  test('without its person verified nobody gets in, and the page says what to do', async () => {
    await enrol('bob');
    await arrived();
    await authenticator.verifies(false);
    await logIn('bob', 'Use your passkey');
    await page.getByRole('button', { name: 'Use passkey' }).click();
    await page.getByRole('alert').getByText('It was cancelled, took too long').waitFor();
    await authenticator.verifies(true);
    await page.getByRole('button', { name: 'Use passkey' }).click();
    await arrived();
  });

  test('a copy that was made earlier is refused and recorded', async () => {
    await enrol('bob');
    await arrived();
    for (let round = 0; round < 2; round += 1) {
      await logIn('bob', 'Use your passkey');
      await page.getByRole('button', { name: 'Use passkey' }).click();
      await arrived();
    }
    await authenticator.rewind();
    await logIn('bob', 'Use your passkey');
    const before = page.url();
    await page.getByRole('button', { name: 'Use passkey' }).click();
    await page.getByRole('alert').getByText('it may have been copied').waitFor();
    expect(page.url()).not.toBe(before);
    expect((await events('passkey.refused'))[0]).toMatchObject({ code: 'passkey_refused', step: 'assert' });
  });

  test('a recovery code lets a new one be enrolled, once', async () => {
    const [code = '', other = ''] = await enrol('bob');
    await arrived();
    await authenticator.forget();
    await logIn('bob', 'Use your passkey');
    await page.getByRole('link', { name: 'I have no passkey at hand' }).click();
    await page.getByLabel('Recovery code').fill('0000-0000-0000-0000');
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('alert').getByText('none of your recovery codes').waitFor();
    await page.getByLabel('Recovery code').fill(code.toUpperCase().replaceAll('-', ' '));
    await page.getByRole('button', { name: 'Go on' }).click();
    // It was no second factor: there is still a passkey to be enrolled.
    await page.getByRole('heading', { name: 'Add a passkey' }).waitFor();
    await page.getByLabel('Name').fill('New phone');
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await arrived();
    expect(await session()).toMatchObject({ mfa_by: 'passkey' });
    expect(await events('recovery_code.used')).toHaveLength(1);

    await logIn('bob', 'Use your passkey');
    await page.getByRole('link', { name: 'I have no passkey at hand' }).click();
    await page.getByLabel('Recovery code').fill(code);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('alert').getByText('used before').waitFor();
    await page.getByLabel('Recovery code').fill(other);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('heading', { name: 'Add a passkey' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('a model that the organization does not name is refused', async () => {
    await policy({ passkey_models: ['11111111-2222-4333-8444-555555555555'] });
    await logIn('carol', 'Add a passkey');
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await page.getByRole('alert').getByText('does not take this model').waitFor();
    expect(await site.database.db.selectFrom('passkeys').selectAll().execute()).toEqual([]);
    const refused = await events('passkey.refused');
    expect(refused[0]).toMatchObject({ step: 'enrol' });
    // The browser made one all the same; another is of no use.
    await authenticator.forget();
    await policy({ passkey_models: null });
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await page.getByRole('heading', { name: 'Keep your recovery codes' }).waitFor();
  });

  test('another is added in the console, from a new login, after one that is there was shown', async () => {
    await enrol('bob');
    await arrived();
    const before = await session();
    await page.goto(at('/console/security'));
    expect(await page.locator('tr[data-passkey]').count()).toBe(1);
    // On another device: this one would refuse a second one of the same account.
    await page.getByRole('link', { name: 'Add a passkey' }).click();
    await logInAtProvider(page, 'bob');
    await page.getByRole('heading', { name: 'Use your passkey' }).waitFor();
    await page.getByRole('button', { name: 'Use passkey' }).click();
    await page.getByRole('heading', { name: 'Add a passkey' }).waitFor();
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await page.getByRole('alert').getByText('holds a passkey of yours already').waitFor();
    await authenticator.forget();
    await page.getByLabel('Name').fill('Second key');
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await arrived('/console/security');
    expect(await page.locator('tr[data-passkey]').count()).toBe(2);
    expect((await session()).id).toBe(before.id);
  });

  test('somebody else’s login adds none', async () => {
    await enrol('bob');
    await arrived();
    await page.goto(at('/console/security'));
    await page.getByRole('link', { name: 'Add a passkey' }).click();
    await logInAtProvider(page, 'carol');
    await page.getByText('another account than the one that you are signed in as').waitFor();
    expect(await site.database.db.selectFrom('passkeys').selectAll().execute()).toHaveLength(1);
  });

  test('[abuse 84] login and step-up each change the cookie; the step-up keeps the session, and the old cookie is dead', async () => {
    await context.addCookies([
      { name: 'sallyport-session', value: 'console_fixed-by-somebody-else-before-it', url: at('/') },
      { name: 'sallyport-login', value: `login_${'x'.repeat(43)}`, url: at('/') },
    ]);
    await page.goto(at('/console/sessions'));
    await logInAtProvider(page, 'bob');
    await page.getByRole('heading', { name: 'Add a passkey' }).waitFor();
    await addPasskey();
    await arrived();
    const first = await session();
    expect(first.cookie).not.toContain('fixed');

    const hourAgo = new Date(Date.now() - 3_600_000);
    await site.database.db
      .updateTable('login_sessions')
      .set({ auth_time: hourAgo, mfa_time: hourAgo })
      .where('id', '=', first.id)
      .execute();
    await page.goto(at('/console/security'));
    await page.getByRole('link', { name: 'Remove' }).click();
    // The provider remembers the person, and must ask all the same.
    await logInAtProvider(page, 'bob');
    await page.getByRole('heading', { name: 'Use your passkey' }).waitFor();
    await page.getByRole('button', { name: 'Use passkey' }).click();
    await page.getByRole('heading', { name: 'Remove this passkey?' }).waitFor();
    const second = await session();
    expect(second.id).toBe(first.id);
    expect(second.cookie).not.toBe(first.cookie);
    expect(Number(second.mfa_time)).toBeGreaterThan(Number(first.mfa_time) - 1);
    const reply = await fetch(at('/console/security'), {
      headers: { cookie: `sallyport-session=${first.cookie}` },
      redirect: 'manual',
    });
    expect(reply.headers.get('location')).toContain('/console/sign-in');

    await page.getByRole('button', { name: 'Remove passkey' }).click();
    await page.getByText('You have no passkey here.').waitFor();
    expect(await events('passkey.removed')).not.toHaveLength(0);
    expect(complaints).toEqual([]);
  });
});
