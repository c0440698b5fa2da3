import { randomBytes, randomUUID } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasChromium, launchChromium, logInAtProvider, program, visit } from './chromium.ts';
import { type ConsoleSite, startConsoleSite } from './console-site.ts';

const attack = '"><img src=x onerror="document.title=`hacked`"><script>document.title="hacked"</script>';
const inMarkup = /&#60;img|&lt;img/;

describe.skipIf(!hasChromium)(`hostile names in a browser (needs ${program})`, () => {
  let site: ConsoleSite;
  let browser: Browser;
  beforeAll(async () => {
    [site, browser] = await Promise.all([
      startConsoleSite({ providers: ['default', 'partners'] }),
      launchChromium(),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  /** As the provider, programs and people themselves could have named things. */
  async function nameEverything(): Promise<void> {
    const { db } = site.database;
    const { organizationId } = site.shop;
    const { id: accountId } = await db
      .updateTable('accounts')
      .set({ display_name: attack })
      .where('name', '=', 'alice@acme.test')
      .returning('id')
      .executeTakeFirstOrThrow();
    await db.updateTable('accounts').set({ display_name: attack }).execute();
    await db
      .updateTable('login_sessions')
      .set({ client_name: attack, acr: attack, amr: [attack] })
      .execute();
    await db
      .insertInto('passkeys')
      .values({
        account_id: accountId,
        credential_id: randomBytes(16),
        public_key: Buffer.from('x'),
        counter: '0',
        transports: [],
        model: String(randomUUID()),
        backed_up: false,
        name: attack,
      })
      .execute();
    const owner = {
      account_id: accountId,
      organization_id: organizationId,
      name: attack,
      created_by: attack,
    };
    await db
      .insertInto('api_tokens')
      .values({
        ...owner,
        token_hash: randomBytes(32),
        hint: '<b>',
        role_limit: 'viewer',
        source_ranges: [],
        expires_at: new Date(Date.now() + 3_600_000),
      })
      .execute();
    await db
      .insertInto('ci_rules')
      .values({
        ...owner,
        system: 'github',
        issuer: `https://token.example/${attack}`,
        audience: attack,
        claims: JSON.stringify({ [attack]: [attack] }) as never,
        role_limit: 'viewer',
        lifetime_seconds: 600,
      })
      .execute();
  }

  test('[abuse 94] no name of a person, key, program, provider or error becomes markup or runs, on any page of the console', async () => {
    const { page, context } = await visit(browser, { userAgent: attack });
    for (const { behaviour } of site.providers) {
      behaviour.claims = () => ({ name: attack, groups: ['admins', attack] });
    }
    const dialogs: string[] = [];
    page.on('dialog', (dialog) => dialogs.push(dialog.message()));
    await page.goto(new URL('/console/sessions', site.publicUrl).href);
    await page.getByText('Provider default').click();
    await logInAtProvider(page, 'alice');
    await page.waitForURL(new URL('/console/sessions', site.publicUrl).href);
    const helper = await site.helperSession('bob', attack);
    await nameEverything();

    const plain = site.routes
      .filter(({ method, path, auth }) => method === 'GET' && auth === 'browser' && !path.includes('/:'))
      .map(({ path }) => path);
    const named = [
      `/console/sessions/${helper}`,
      `/console/sessions/${helper}/end`,
      '/console/accounts/alice@acme.test',
    ];
    // What a provider says of a login that failed, and what somebody makes up in its place.
    const said = new URLSearchParams({ error: attack, error_description: attack, state: attack });
    const errors = [
      `/login/callback?${said}`,
      `/login/callback/partners?${said}`,
      `/nothing/${encodeURIComponent(attack)}`,
    ];
    let shown = 0;
    for (const path of [...plain, ...named, ...errors]) {
      const reply = await page.goto(new URL(path, site.publicUrl).href);
      const markup = (await reply?.text()) ?? '';
      if (inMarkup.test(markup)) shown += 1;
      expect([path, markup.includes('<img src=x'), markup.includes('<script>document')]).toEqual([
        path,
        false,
        false,
      ]);
      expect([path, await page.locator('img').count(), await page.title()]).toEqual([
        path,
        0,
        expect.not.stringContaining('hacked'),
      ]);
    }
    // They were there to be seen.
    expect(shown).toBeGreaterThanOrEqual(6);
    expect(dialogs).toEqual([]);
    await context.close();
  });
});
