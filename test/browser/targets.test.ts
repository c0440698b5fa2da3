/**
 * [seeds 67]: the console has the exact lines of ssh, scp and sftp for each target, and the fingerprints on the way. That
 * the lines work as they stand, with the real ssh, is shown by test/cli/reach/ssh-access.test.ts.
 */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import { hasChromium, launchChromium, logInAtProvider, program, visit } from './chromium.ts';
import { type ConsoleSite, startConsoleSite } from './console-site.ts';

const name = 'shop-production--web';

describe.skipIf(!hasChromium)(`targets in the console (needs ${program})`, () => {
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
    ({ context, page, complaints } = await visit(browser, {
      permissions: ['clipboard-read', 'clipboard-write'],
    }));
  });
  afterEach(() => context.close());

  const at = (path: string) => new URL(path, site.publicUrl).href;
  async function signIn(username: string): Promise<void> {
    await page.goto(at('/'));
    await logInAtProvider(page, username);
    await page.waitForURL(at('/console/sessions'));
  }
  const change = (table: 'environments' | 'apps' | 'organizations', values: object) =>
    site.database.db
      .updateTable(table)
      .set(values as never)
      .execute();

  test('[seeds 67] the console shows the exact ssh, scp and sftp lines and the fingerprints, and copies them', async () => {
    await change('environments', { mfa_required: false });
    await signIn('alice');
    await page.getByRole('link', { name: 'Targets' }).click();
    const row = page.locator(`tr[data-target="${name}"]`);
    expect(await row.textContent()).toContain('Allowed');
    await row.getByRole('link', { name }).click();
    const lines = await page.locator('.copied code').allTextContents();
    const { host_key } = await site.database.db
      .selectFrom('companions')
      .select('host_key')
      .where('id', '=', site.shop.gatewayId)
      .executeTakeFirstOrThrow();
    const jump = `-o "ProxyCommand=ssh -i ID -o HostKeyAlias=gate.sallyport -p 2222 -W %h:%p ${name}@gate.example.com"`;
    expect(lines).toEqual([
      `ssh ${name}.sallyport`,
      `scp FILE ${name}.sallyport:`,
      `sftp ${name}.sallyport`,
      `ssh -i ID ${jump} deploy@10.1.2.3`,
      `scp -i ID ${jump} FILE deploy@10.1.2.3:`,
      `sftp -i ID ${jump} deploy@10.1.2.3`,
      fingerprint(host_key as Buffer),
    ]);
    for (const [label, line] of [
      ['Copy the scp line', lines[1]],
      ['Copy the fingerprint of Gateway gate', lines[6]],
    ] as const) {
      const button = page.getByRole('button', { name: label }).first();
      await button.click();
      await page.getByText('Copied').first().waitFor();
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe(line);
    }
    // Nothing leaves the window, wide or narrow.
    for (const width of [1280, 380]) {
      await page.setViewportSize({ width, height: 800 });
      const over = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect(over).toBe(0);
    }
    expect(complaints).toEqual([]);
  });

  test('says why a target does not let one in, as the refusal at the door does', async () => {
    await change('apps', { ssh_enabled: false });
    try {
      await signIn('alice');
      await page.goto(at(`/console/targets/${name}`));
      expect(await page.getByRole('status').textContent()).toContain('SSH is switched off for the app web');
    } finally {
      await change('apps', { ssh_enabled: true });
    }
    expect(complaints).toEqual([]);
  });

  test('shows nobody what they have no role on, and no page that names it', async () => {
    await signIn('carol');
    await site.database.db.deleteFrom('access_rules').execute();
    try {
      await page.goto(at('/console/targets'));
      expect(await page.locator('main').textContent()).toContain('You have no role on any project');
      for (const unseen of [name, 'no-such--web', 'NOT%20A%20NAME']) {
        const reply = await page.goto(at(`/console/targets/${unseen}`));
        expect(reply?.status()).toBe(404);
        expect(await page.locator('main').textContent()).toContain('There is no target of this name');
      }
    } finally {
      const { organizationId } = site.shop;
      await inTransaction(site.database.db, (tx) =>
        createAccessRule(tx, { organizationId, subject: { group: 'admins' }, role: 'admin' }),
      );
    }
  });
});
