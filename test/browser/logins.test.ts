import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hasChromium, launchChromium, logInAtProvider, program, visit } from './chromium.ts';
import { type ConsoleSite, startConsoleSite } from './console-site.ts';

describe.skipIf(!hasChromium)(`logging in with a browser (needs ${program})`, () => {
  let one: ConsoleSite;
  let two: ConsoleSite;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    [one, two, browser] = await Promise.all([
      startConsoleSite(),
      startConsoleSite({ providers: ['default', 'partners'] }),
      launchChromium(),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all([one?.close(), two?.close()]);
  });
  beforeEach(async () => {
    ({ context, page, complaints } = await visit(browser));
  });
  afterEach(() => context.close());

  const home = ({ publicUrl }: ConsoleSite) => new URL('/console/sessions', publicUrl).href;

  test('where there is one provider, nobody is asked which', async () => {
    await page.goto(home(one));
    await page.getByRole('heading', { name: 'Log in at default' }).waitFor();
    await logInAtProvider(page, 'alice');
    await page.waitForURL(home(one));
    expect(complaints).toEqual([]);
  });

  test('where there are several, the person chooses, and each reply counts for its own provider', async () => {
    await page.goto(new URL('/console/companions', two.publicUrl).href);
    const partners = page
      .getByRole('button', { name: 'Provider partners' })
      .or(page.getByRole('link', { name: 'Provider partners' }));
    await partners.waitFor();
    expect(new URL(page.url()).origin).toBe(two.publicUrl.origin);
    expect(await page.content()).toContain('Provider default');
    await partners.click();
    await page.getByRole('heading', { name: 'Log in at partners' }).waitFor();
    await logInAtProvider(page, 'alice');
    await page.waitForURL(new URL('/console/companions', two.publicUrl).href);
    const row = await two.database.db
      .selectFrom('login_sessions')
      .select(['provider_slug', 'issuer'])
      .where('kind', '=', 'browser')
      .executeTakeFirstOrThrow();
    expect(row).toEqual({ provider_slug: 'partners', issuer: two.providers[1]?.issuer });
    expect(complaints).toEqual([]);
  });

  test('signing out signs out at the provider too, and the next login asks who one is', async () => {
    await page.goto(home(one));
    await logInAtProvider(page, 'alice');
    await page.waitForURL(home(one));
    await page.getByRole('button', { name: 'Sign out' }).click();
    // The provider's own question.
    await page.waitForURL(/\/session\/end/);
    await page.getByRole('button', { name: /yes/i }).click();
    await page.waitForURL(new URL('/console/signed-out', one.publicUrl).href);
    await page.getByRole('link', { name: 'Sign in again' }).click();
    await page.getByRole('heading', { name: 'Log in at default' }).waitFor();
    expect(complaints).toEqual([]);
  });

  test('while the provider is away the page says so, and goes on by itself once it is back', async () => {
    const [provider] = one.providers;
    provider?.stop();
    try {
      await page.goto(home(one));
      await page.getByRole('heading', { name: 'Provider default does not answer' }).waitFor();
    } finally {
      provider?.start();
    }
    await page.getByRole('heading', { name: 'Log in at default' }).waitFor();
  });
});
