/** What somebody without an account can make of rows: so many from one address, and no more. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWholeSite, type WholeSite } from '../server/whole-site.ts';
import { CarefulBrowser } from './careful-browser.ts';

let site: WholeSite;
beforeAll(async () => {
  site = await startWholeSite({ providers: ['default', 'second'] });
});
afterAll(() => site.close());

const at = (path: string) => new URL(path, site.publicUrl);
const rowsOf = async (table: 'login_states' | 'pending_logins') =>
  (await site.database.db.selectFrom(table).select('expires_at').execute()).length;
const counted = async () => [await rowsOf('login_states'), await rowsOf('pending_logins')];
const usedUp = (bucket: string, count: number) =>
  site.database.db.updateTable('attempts').set({ count }).where('bucket', '=', bucket).execute();
const refusals = async () =>
  (
    await site.database.db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', 'login.refused')
      .execute()
  ).length;

/** Begins a login, and where it leads at the provider. */
async function begun(browser: CarefulBrowser): Promise<{ choice: URL; provider: URL | null }> {
  const { location } = await browser.open(at('/console/sign-in'));
  const { text } = await browser.open(location ?? at('/'));
  const choice = at(/href="(\/login\/choose\/[^"]+)"/.exec(text)?.[1] ?? '/none');
  return { choice, provider: (await browser.open(choice)).location };
}

test('a refused login is recorded, but only so many of one address', async () => {
  const browser = new CarefulBrowser();
  const refused = async () => {
    const { provider } = await begun(browser);
    const reply = at(new URL(String(provider?.searchParams.get('redirect_uri'))).pathname);
    reply.search = String(
      new URLSearchParams({
        state: provider?.searchParams.get('state') ?? '',
        error: 'access_denied',
        iss: site.providers.find(({ issuer }) => provider?.href.startsWith(issuer))?.issuer ?? '',
      }),
    );
    return (await browser.open(reply)).status;
  };
  const status = await refused();
  expect(status).toBeGreaterThanOrEqual(400);
  expect(await refusals()).toBe(1);
  await usedUp('login-refused', 60);
  expect(await refused()).toBe(status);
  expect(await refusals()).toBe(1);
});

test('many logins begun from one address are refused for a while, and leave nothing', async () => {
  const browser = new CarefulBrowser();
  const { choice } = await begun(browser);
  const before = await counted();
  await usedUp('login-begun', 1_200);
  for (const path of [at('/console/sign-in'), choice]) {
    expect([path.pathname, (await browser.open(path)).status]).toEqual([path.pathname, 429]);
  }
  expect(await counted()).toEqual(before);
});
