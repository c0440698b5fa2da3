import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DemoPerson } from '../../src/dev/identity-provider-people.ts';
import { type ConsoleSite, startConsoleSite } from './console-site.ts';

const program = '/usr/bin/chromium';

describe.skipIf(!existsSync(program))(`the console in a browser (needs ${program})`, () => {
  let site: ConsoleSite;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  /** What the browser complains about: scripts, blocked content. */
  let complaints: string[];
  /** Cookies of alice's one sign-in: her one-time code is good once. */
  let alice: Awaited<ReturnType<BrowserContext['storageState']>>;

  beforeAll(async () => {
    site = await startConsoleSite();
    browser = await chromium.launch({
      executablePath: program,
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    });
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });
  beforeEach(async () => {
    context = await open();
  });
  afterEach(() => context.close());

  async function open(storageState?: typeof alice): Promise<BrowserContext> {
    complaints = [];
    const opened = await browser.newContext(storageState ? { storageState } : {});
    page = await opened.newPage();
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    return opened;
  }

  async function asAlice(): Promise<void> {
    await context.close();
    context = await open(alice);
    await page.goto(new URL('/console/sessions', site.publicUrl).href);
  }

  async function signIn(person: DemoPerson): Promise<void> {
    await page.goto(new URL('/', site.publicUrl).href);
    await page.getByLabel('Name').fill(person.username);
    await page.getByLabel('Password').fill(person.password);
    if (person.otpSecret) {
      const code = page.locator(`[data-one-time-code-of="${person.username}"]`);
      await page.getByLabel('One-time code').fill((await code.textContent()) ?? '');
    }
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL(new URL('/console/sessions', site.publicUrl).href);
  }

  test('an admin signs in, ends a session, and sees the machine carry it out', async () => {
    const sessionId = await site.helperSession(site.people.bob, 'bob-laptop');
    await signIn(site.people.alice);
    alice = await context.storageState();
    const row = page.locator(`tr[data-session="${sessionId}"]`);
    expect(await row.getAttribute('data-state')).toBe('live');
    expect(await row.textContent()).toContain('bob@acme.test');
    await row.getByRole('link', { name: 'End session of bob@acme.test' }).click();
    await page.getByRole('button', { name: 'End session' }).click();
    await page.waitForURL(new URL(`/console/sessions/${sessionId}`, site.publicUrl).href);
    const machine = page.locator('li[data-companion="gate"]');
    expect(await machine.textContent()).toContain('Waiting');

    // The page notices by itself.
    const state = await site.feed.stateFor(site.shop.gatewayId);
    await site.feed.acknowledge(site.shop.gatewayId, {
      version: state.version,
      krl_version: state.krl.version,
      connections_ended: 1,
      problem: null,
    });
    await machine.getByText('Done').waitFor();

    await page.getByRole('link', { name: 'All sessions' }).click();
    await page.locator(`tr[data-session="${sessionId}"][data-state="ended"]`).waitFor();
    await page.getByRole('link', { name: 'Machines' }).click();
    await page.locator('tr[data-companion="gate"]').getByText('Current').waitFor();
    expect(complaints).toEqual([]);
  });

  test('a person without a role signs in, sees only themselves, and signs out', async () => {
    const other = await site.helperSession(site.people.bob, 'bob-laptop');
    await signIn(site.people.carol);
    expect(await page.locator(`tr[data-session="${other}"]`).count()).toBe(0);
    expect(await page.getByText('No MFA').count()).toBeGreaterThan(0);
    expect(await page.getByRole('link', { name: 'Machines' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    expect(await context.cookies()).not.toContainEqual(
      expect.objectContaining({ name: 'sallyport-session' }),
    );
    expect(complaints).toEqual([]);
  });

  test('the session of a browser that was ended leads to signing in again', async () => {
    await signIn(site.people.carol);
    await site.database.db
      .updateTable('login_sessions')
      .set({ expires_at: new Date(0) })
      .where('kind', '=', 'browser')
      .where('mfa', '=', false)
      .execute();
    await page.reload();
    await page.getByLabel('Password').waitFor();
    expect(complaints).toEqual([]);
  });

  test('scripts in names do not run, and the policy blocks inline ones', async () => {
    await site.helperSession(site.people.bob, '<img src=x onerror=document.title="hacked">');
    await asAlice();
    await page.getByText('<img src=x').first().waitFor();
    expect(await page.title()).toBe('Sessions · Sallyport');
    expect(complaints).toEqual([]);
    await page.evaluate(`
      const script = document.createElement('script');
      script.textContent = 'document.title = "hacked"';
      document.body.append(script);
    `);
    expect(await page.title()).toBe('Sessions · Sallyport');
    expect(complaints.join()).toContain('Content Security Policy');
  });

  test('nothing overflows on a telephone', async () => {
    await site.helperSession(site.people.bob, 'a-very-long-name-of-a-client-'.repeat(5));
    await asAlice();
    await page.setViewportSize({ width: 360, height: 740 });
    const wide = await page.evaluate('document.documentElement.scrollWidth');
    expect(wide).toBeLessThanOrEqual(360);
  });
});
