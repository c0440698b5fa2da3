import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startWholeSite, type WholeSite } from '../server/whole-site.ts';
import { CarefulBrowser } from './careful-browser.ts';
import type { TestProvider } from './test-provider.ts';

let site: WholeSite;
let first: TestProvider;
let second: TestProvider;
beforeAll(async () => {
  site = await startWholeSite({ providers: ['default', 'second'] });
  [first, second] = site.providers as [TestProvider, TestProvider];
});
afterAll(() => site.close());

let browser: CarefulBrowser;
let before: Awaited<ReturnType<typeof counts>>;
beforeEach(async () => {
  browser = new CarefulBrowser();
  for (const { requests } of site.providers) requests.length = 0;
  before = await counts();
});
afterEach(() => {
  for (const { behaviour } of site.providers) behaviour.metadata = {};
});

const at = (path: string) => new URL(path, site.publicUrl);
const redeemed = ({ requests }: TestProvider) => requests.filter(({ path }) => path === '/token').length;
const refusals = async () =>
  await site.database.db
    .selectFrom('audit_events')
    .select('facts')
    .where('event', '=', 'login.refused')
    .execute();
async function counts() {
  const { db } = site.database;
  const count = async (table: 'login_sessions' | 'accounts') =>
    (await db.selectFrom(table).select('id').execute()).length;
  return {
    sessions: await count('login_sessions'),
    accounts: await count('accounts'),
    logins: (await db.selectFrom('login_states').select('state_hash').execute()).length,
    refusals: (await refusals()).length,
  };
}

/** The link of the chooser that leads to a provider. */
async function startAt(provider: TestProvider): Promise<URL> {
  const { location } = await browser.open(at('/console/sign-in'));
  const { text } = await browser.open(location ?? at('/'));
  const href = [...text.matchAll(/href="(\/login\/choose\/[^"]+)"/g)].map(([, path]) => path ?? '');
  return at(href.find((path) => path.endsWith(`/${provider.slug}`)) ?? '/none');
}
/** Of bob at the first, of alice at the second: one account belongs to one identity. */
const replyOf = async (provider: TestProvider, username = provider === first ? 'bob' : 'alice') =>
  await browser.replyFor(await startAt(provider), provider, username);
const withQuery = (path: string, query: Record<string, string>) => {
  const url = at(path);
  url.search = new URLSearchParams(query).toString();
  return url;
};

test('the page that asks which provider says whose each is and where it leads: its name is what an admin chose', async () => {
  const { location } = await browser.open(at('/console/sign-in'));
  const { text } = await browser.open(location ?? at('/'));
  for (const { slug, issuer } of site.providers) {
    expect(text).toContain(`<bdi>Provider ${slug}</bdi> <small>acme, at ${new URL(issuer).host}</small>`);
  }
});

test('each provider sends back to a callback of its own, and its reply logs in there', async () => {
  for (const [provider, path] of [
    [first, '/login/callback'],
    [second, '/login/callback/second'],
  ] as const) {
    browser = new CarefulBrowser();
    const reply = await replyOf(provider);
    expect(reply.pathname).toBe(path);
    expect((await browser.open(reply)).location?.pathname).toBe('/console/sessions');
    expect(redeemed(provider)).toBe(1);
  }
  expect((await counts()).sessions).toBe(before.sessions + 2);
});

test('the page that asks which remembers nothing of the last login', async () => {
  await browser.open(await replyOf(second));
  const { location } = await browser.open(at('/console/sign-in'));
  const { text } = await browser.open(location ?? at('/'));
  expect(text.indexOf('Provider default')).toBeGreaterThan(0);
  expect(text.indexOf('Provider second')).toBeGreaterThan(text.indexOf('Provider default'));
});

describe('[abuse 58] mix-up', () => {
  test.each([true, false])(
    'of a login at one provider with the reply of another is refused, and no code goes where it is not from (iss promised: %s)',
    async (promised) => {
      const metadata = { authorization_response_iss_parameter_supported: promised };
      for (const { behaviour } of site.providers) behaviour.metadata = metadata;
      const honest = await replyOf(first);
      const foreign = await new CarefulBrowser().replyFor(await elsewhere(second), second, 'bob');
      const parametersOf = (url: URL) => Object.fromEntries(url.searchParams);
      const [code, iss] = [foreign.searchParams.get('code') ?? '', second.issuer];
      const state = honest.searchParams.get('state') ?? '';

      // The reply comes in at the other's callback: there the state is nobody's.
      for (const query of [{ ...parametersOf(honest) }, { state, code, iss }, { state, code }]) {
        const { status, text } = await browser.open(withQuery('/login/callback/second', query));
        expect({ status, text }).toEqual({ status: 400, text: expect.stringContaining('was not started') });
      }
      expect([redeemed(first), redeemed(second)]).toEqual([0, 0]);

      // It comes in where it is expected, and says whose it is; or, if it need not, is worth nothing there.
      const query: Record<string, string> = promised ? { state, code, iss } : { state, code };
      expect((await browser.open(withQuery('/login/callback', query))).status).toBe(403);
      expect([redeemed(first), redeemed(second)]).toEqual([promised ? 0 : 1, 0]);
      const after = await counts();
      expect(after.sessions).toBe(before.sessions);
      expect(after.accounts).toBe(before.accounts);
      expect(after.refusals).toBe(before.refusals + 1);
      expect((await refusals()).at(-1)?.facts).toMatchObject({ code: 'login_rejected' });
    },
  );

  test('of a promised issuer that is missing, or is another’s, is refused before the code is redeemed', async () => {
    for (const iss of [undefined, second.issuer, `${first.issuer}/`, '']) {
      browser = new CarefulBrowser();
      const reply = await replyOf(first);
      if (iss === undefined) reply.searchParams.delete('iss');
      else reply.searchParams.set('iss', iss);
      expect((await browser.open(reply)).status).toBe(403);
    }
    expect(redeemed(first)).toBe(0);
    expect((await counts()).sessions).toBe(before.sessions);
  });

  test('leaves the login that it was tried on as good as it was', async () => {
    const honest = await replyOf(first);
    await browser.open(new URL(`/login/callback/second${honest.search}`, site.publicUrl));
    expect((await browser.open(honest)).location?.pathname).toBe('/console/sessions');
  });
});

/** Another browser's start at a provider. */
async function elsewhere(provider: TestProvider): Promise<URL> {
  const mine = browser;
  browser = new CarefulBrowser();
  try {
    return (await browser.open(await startAt(provider))).location ?? at('/none');
  } finally {
    browser = mine;
  }
}

describe('a code at the callback', () => {
  test('is redeemed once, however often its reply is delivered', async () => {
    const reply = await replyOf(first);
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => browser.open(reply)));
    expect(outcomes.filter(({ status }) => status === 303)).toHaveLength(1);
    expect(outcomes.filter(({ status }) => status === 400)).toHaveLength(4);
    expect((await browser.open(reply)).status).toBe(400);
    expect(redeemed(first)).toBe(1);
  });

  test('of somebody else’s login is refused by its provider, since it is bound to another verifier', async () => {
    const stolen = await new CarefulBrowser().replyFor(await elsewhere(first), first, 'carol');
    const reply = await replyOf(first);
    reply.searchParams.set('code', stolen.searchParams.get('code') ?? '');
    expect((await browser.open(reply)).status).toBe(403);
    expect((await counts()).sessions).toBe(before.sessions);
  });
});

describe('[abuse 78] a reply', () => {
  const nothingHappened = async () => {
    expect([redeemed(first), redeemed(second)]).toEqual([0, 0]);
    const after = await counts();
    expect({ ...after, logins: 0 }).toEqual({ ...before, logins: 0 });
  };

  test.each([
    'third',
    'SECOND',
    'default%2f..',
    '..%2fdefault',
    'second%00',
    '%F0%9F%8D%95',
    'x'.repeat(200),
  ])('for the provider %s, which is not configured, reaches nothing', async (slug) => {
    const reply = await replyOf(second);
    const { status, location, text } = await browser.open(at(`/login/callback/${slug}${reply.search}`));
    expect(String(status)).toMatch(/^4\d\d$/);
    expect(location).toBeNull();
    expect(text).not.toContain(reply.searchParams.get('code') ?? '-');
    await nothingHappened();
  });

  test('of another protocol reaches nothing, wherever it is posted', async () => {
    const state = (await replyOf(first)).searchParams.get('state') ?? '';
    const assertion = Buffer.from('<samlp:Response><saml:Assertion>alice</saml:Assertion></samlp:Response>');
    for (const fields of [
      { SAMLResponse: assertion.toString('base64'), RelayState: state },
      { state, code: 'a-code', iss: first.issuer },
      { state, id_token: 'eyJhbGciOiJub25lIn0.e30.' },
      { wresult: assertion.toString(), wa: 'wsignin1.0', state },
    ]) {
      for (const path of [
        '/login/callback',
        '/login/callback/second',
        '/saml/acs',
        '/login/saml',
        '/login',
      ]) {
        const { status } = await browser.open(at(path), new URLSearchParams(fields));
        expect([404, 405, 415]).toContain(status);
        const asQuery = await browser.open(withQuery('/login/callback', { ...fields, state: 'x' }));
        expect(asQuery.status).toBe(400);
      }
    }
    await nothingHappened();
  });

  test('with an ID token instead of a code is no login', async () => {
    const reply = await replyOf(first);
    reply.searchParams.delete('code');
    reply.searchParams.set(
      'id_token',
      await first.sign({ iss: first.issuer, sub: 'alice', aud: 'sallyport' }),
    );
    expect((await browser.open(reply)).status).toBe(403);
    expect((await counts()).sessions).toBe(before.sessions);
  });
});

describe('[abuse 79] an error of the provider', () => {
  const hostile = '<script>alert(1)</script><img src=x onerror="alert(2)">\u001b[31m\r\nX: y';

  test('that holds HTML is shown as text, in the page and in nothing else', async () => {
    for (const parameters of [
      { error: 'access_denied', error_description: hostile },
      { error: hostile },
      { error: 'server_error', error_description: hostile, error_uri: 'javascript:alert(3)' },
    ]) {
      browser = new CarefulBrowser();
      const reply = await replyOf(first);
      reply.searchParams.delete('code');
      for (const [name, value] of Object.entries(parameters)) reply.searchParams.set(name, value);
      const { status, headers, text } = await browser.open(reply);
      expect([403, 502]).toContain(status);
      expect(text).toContain('&#60;script&#62;alert(1)&#60;/script&#62;');
      expect(text).not.toMatch(/<script>alert|<img|javascript:|\u001b|\nX: y/);
      expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('x')).toBeNull();
    }
    expect((await refusals()).length).toBe(before.refusals + 3);
  });

  test('in a reply that nobody waits for is not shown at all', async () => {
    const { status, text } = await browser.open(
      withQuery('/login/callback', { error: hostile, error_description: hostile, state: 'x' }),
    );
    expect(status).toBe(400);
    expect(text).not.toContain('alert(1)');
  });
});
