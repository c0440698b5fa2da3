import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Browser } from '../../src/dev/tour/browser.ts';
import type { TestProvider } from '../login/test-provider.ts';
import { startWholeSite, type WholeSite } from '../server/whole-site.ts';

let site: WholeSite;
let idp: TestProvider;
beforeAll(async () => {
  site = await startWholeSite();
  idp = site.providers[0] as TestProvider;
});
afterAll(() => site.close());
afterEach(() => {
  idp.start();
  idp.behaviour.brokenPaths.clear();
});

const at = (path: string) => new URL(path, site.publicUrl);
const fieldIn = (html: string, name: string) =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(html)?.[1] ?? '';
async function signedIn(username = 'bob') {
  const browser = new Browser();
  const page = await idp.logIn(browser, at('/console/sessions'), username);
  expect(page.url.pathname).toBe('/console/sessions');
  return { browser, csrf_token: fieldIn(page.text, 'csrf_token') };
}
const signOut = async ({ browser, csrf_token }: Awaited<ReturnType<typeof signedIn>>) =>
  await browser.open(at('/console/sign-out'), {
    method: 'POST',
    body: new URLSearchParams({ csrf_token }),
    from: at('/console/sessions'),
  });

describe('signing out of the console', () => {
  test('ends the session here, then leads to the provider’s own sign-out and back', async () => {
    const person = await signedIn();
    const page = await signOut(person);
    expect([page.status, page.text]).toEqual([200, expect.stringContaining('You are signed out here')]);
    const again = await fetch(at('/console/sessions'), { redirect: 'manual' });
    expect(again.status).toBe(303);
    const ended = await site.database.db
      .selectFrom('login_sessions')
      .select('ended_reason')
      .where('kind', '=', 'browser')
      .where('ended_at', 'is not', null)
      .execute();
    expect(ended).toEqual([{ ended_reason: 'logout' }]);

    const [, link = ''] = /href="([^"]*session\/end[^"]*)"/.exec(page.text) ?? [];
    const address = new URL(link.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))));
    expect(`${address.origin}${address.pathname}`).toBe(`${idp.issuer}/session/end`);
    expect(address.searchParams.get('post_logout_redirect_uri')).toBe(at('/console/signed-out').href);
    // Who we are, and nothing of the person: no token stands in an address.
    expect([...address.searchParams.keys()].sort()).toEqual(['client_id', 'post_logout_redirect_uri']);
    expect(page.text).not.toMatch(/eyJ/);
    const asked = await person.browser.open(address);
    const xsrf = fieldIn(asked.text, 'xsrf');
    const out = await person.browser.open(new URL('/session/end/confirm', idp.issuer), {
      method: 'POST',
      body: new URLSearchParams({ xsrf, logout: 'yes' }),
    });
    expect([out.url.href, out.text]).toEqual([
      at('/console/signed-out').href,
      expect.stringContaining('You are signed out'),
    ]);
    // There, too: the next sign-in asks who it is.
    const next = await person.browser.open(at('/console/sessions'));
    expect(next.url.origin).toBe(idp.issuer);
    expect(next.text).toContain('name="login"');
  });

  test('works while the provider is away, and where it has no such page', async () => {
    const person = await signedIn();
    await site.database.db
      .updateTable('login_sessions')
      .set({ provider_slug: 'gone' })
      .where('ended_at', 'is', null)
      .execute();
    const page = await signOut(person);
    expect(page.url.pathname).toBe('/console/signed-out');
  });

  test('is a form of our own pages only', async () => {
    const person = await signedIn();
    const { status } = await signOut({ ...person, csrf_token: 'guessed' });
    expect(status).toBe(403);
    expect((await person.browser.open(at('/console/sessions'))).url.pathname).toBe('/console/sessions');
  });
});
