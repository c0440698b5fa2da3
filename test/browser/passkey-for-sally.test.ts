import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LandingPlace, openLandingPlace } from '../login/landing-place.ts';
import { type RunningServer, startRunningServer } from '../oauth/running-server.ts';
import { newProofKey, SallyClient } from '../oauth/sally-client.ts';
import { hasChromium, launchChromium, program, visit } from './chromium.ts';
import { addAuthenticator } from './virtual-authenticator.ts';

describe.skipIf(!hasChromium)(`a login of sally with a passkey (needs ${program})`, () => {
  let running: RunningServer;
  let landing: LandingPlace;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  beforeAll(async () => {
    [running, landing, browser] = await Promise.all([
      startRunningServer(),
      openLandingPlace(),
      launchChromium(),
    ]);
    await running.database.db.updateTable('organizations').set({ mfa_required: true }).execute();
    ({ page, complaints } = await visit(browser));
    await addAuthenticator(page);
  });
  afterAll(async () => {
    await browser?.close();
    await landing?.close();
    await running?.close();
  });

  /** Carol has no second factor at her provider. */
  async function logIn(heading: string): Promise<SallyClient> {
    const client = new SallyClient(running, await newProofKey(), landing.port);
    await page.goto((await client.authorizationUrl()).href);
    await page.fill('[name=username]', 'carol');
    await page.fill('[name=password]', running.people.carol.password);
    await page.click('button[type=submit]');
    await page.getByRole('heading', { name: heading }).waitFor();
    return client;
  }
  async function landed(): Promise<URLSearchParams> {
    await page.waitForURL(`http://127.0.0.1:${landing.port}/**`);
    return new URL(page.url()).searchParams;
  }
  const session = () =>
    running.database.db
      .selectFrom('login_sessions')
      .select(['mfa_by', 'mfa_methods'])
      .orderBy('created_at', 'desc')
      .executeTakeFirst();

  test('goes from the enrolment, and from the passkey, back to where sally waits', async () => {
    const first = await logIn('Add a passkey');
    await page.getByRole('button', { name: 'Add passkey' }).click();
    await page.getByRole('link', { name: 'I have kept them' }).click();
    expect((await first.redeem((await landed()).get('code') ?? '')).status).toBe(200);
    expect(await session()).toEqual({ mfa_by: 'passkey', mfa_methods: ['hwk', 'user', 'mfa'] });

    const second = await logIn('Use your passkey');
    await page.getByRole('button', { name: 'Use passkey' }).click();
    expect((await second.redeem((await landed()).get('code') ?? '')).status).toBe(200);
    expect(complaints).toEqual([]);
  });

  test('that was refused too often is told to sally, not only to the browser', async () => {
    await logIn('Use your passkey');
    for (let tries = 0; tries < 5; tries += 1) {
      const before = page.url();
      await page.evaluate(`(() => {
        const form = document.querySelector('form[data-passkey]');
        form.elements.response.value = '{}';
        form.submit();
      })()`);
      await page.waitForURL((url) => url.href !== before && url.pathname !== '/login/passkey');
    }
    expect(Object.fromEntries(await landed())).toMatchObject({ error: 'access_denied' });
    expect(complaints).toEqual([]);
  });
});
