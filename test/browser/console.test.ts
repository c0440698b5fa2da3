import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hasChromium, launchChromium, logInAtProvider, program, visit } from './chromium.ts';
import { type ConsoleSite, startConsoleSite } from './console-site.ts';

describe.skipIf(!hasChromium)(`the console in a browser (needs ${program})`, () => {
  let site: ConsoleSite;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    [site, browser] = await Promise.all([startConsoleSite(), launchChromium()]);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });
  beforeEach(async () => {
    ({ context, page, complaints } = await visit(browser));
  });
  afterEach(() => context.close());

  async function sessionCookie(): Promise<string | undefined> {
    const cookies = await context.cookies(site.publicUrl.href);
    return cookies.find(({ name }) => name === 'sallyport-session')?.value;
  }

  async function signIn(username: string): Promise<void> {
    await page.goto(new URL('/', site.publicUrl).href);
    await logInAtProvider(page, username);
    await page.waitForURL(new URL('/console/sessions', site.publicUrl).href);
  }

  test('an admin signs in, ends a session, and sees the machine carry it out', async () => {
    const sessionId = await site.helperSession('bob', 'bob-laptop');
    await signIn('alice');
    const row = page.locator(`tr[data-session="${sessionId}"]`);
    expect(await row.getAttribute('data-state')).toBe('live');
    expect(await row.textContent()).toContain('bob@acme.test');
    await row.getByRole('link', { name: 'End session of bob@acme.test' }).click();
    await page.getByRole('button', { name: 'End session' }).click();
    await page.waitForURL(new URL(`/console/sessions/${sessionId}`, site.publicUrl).href);
    const machine = page.locator('li[data-companion="gate"]');
    expect(await machine.textContent()).toContain('Waiting');

    // The page notices by itself.
    await site.acknowledge(1);
    await machine.getByText('Done').waitFor();

    await page.getByRole('link', { name: 'All sessions' }).click();
    await page.locator(`tr[data-session="${sessionId}"][data-state="ended"]`).waitFor();
    await page.getByRole('link', { name: 'Machines' }).click();
    await page.locator('tr[data-companion="gate"]').getByText('Current').waitFor();
    expect(complaints).toEqual([]);
  });

  test('a person without a role signs in, sees only themselves, and signs out', async () => {
    const other = await site.helperSession('bob', 'bob-laptop');
    await signIn('carol');
    expect(await page.locator(`tr[data-session="${other}"]`).count()).toBe(0);
    expect(await page.getByText('No MFA').count()).toBeGreaterThan(0);
    expect(await page.getByRole('link', { name: 'Machines' }).count()).toBe(0);
    await page.getByRole('button', { name: 'Sign out' }).click();
    // The provider's own page asks.
    await page.getByRole('button', { name: 'Yes, sign me out' }).click();
    await page.getByRole('heading', { name: 'You are signed out', exact: true }).waitFor();
    expect(page.url()).toBe(new URL('/console/signed-out', site.publicUrl).href);
    expect(await context.cookies()).not.toContainEqual(
      expect.objectContaining({ name: 'sallyport-session' }),
    );
    expect(complaints).toEqual([]);
  });

  test('the session of a browser that was ended leads to signing in again', async () => {
    await signIn('carol');
    await site.database.db
      .updateTable('login_sessions')
      .set({ expires_at: new Date(0) })
      .where('kind', '=', 'browser')
      .where('mfa', '=', false)
      .execute();
    const before = await sessionCookie();
    const asked = site.providers[0]?.requests.length ?? 0;
    await page.reload();
    await page.getByRole('heading', { name: 'Sessions', exact: true }).waitFor();
    expect(await sessionCookie()).not.toBe(before);
    // It remembers the person, so that this was a few redirects.
    expect(site.providers[0]?.requests.length).toBeGreaterThan(asked);
    expect(complaints).toEqual([]);
  });

  test('scripts in names do not run, and the policy blocks inline ones', async () => {
    await site.helperSession('bob', '<img src=x onerror=document.title="hacked">');
    await signIn('alice');
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
    await site.helperSession('bob', 'a-very-long-name-of-a-client-'.repeat(5));
    await signIn('alice');
    await page.setViewportSize({ width: 360, height: 740 });
    const wide = await page.evaluate('document.documentElement.scrollWidth');
    expect(wide).toBeLessThanOrEqual(360);
  });
});
