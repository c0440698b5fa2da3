import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Browser, type VisitedPage } from '../../src/dev/tour/browser.ts';
import type { ProviderSettings } from '../../src/login/provider-settings.ts';
import { startWholeSite, type WholeSite } from '../server/whole-site.ts';
import { settingsOf, startTestProvider, type TestProvider } from './test-provider.ts';

/** An identity is one provider's. */
const people = {
  default: [person('bob'), person('carol')],
  'by-acr': [person('dora')],
  'by-login': [person('emil')],
} as const;
function person(username: string) {
  return { username, name: username, email: `${username}@acme.test`, groups: [] };
}
const stepUpAcr = 'urn:example:mfa';

/** `default` says nothing of second factors and can't be asked; the others can, by acr_values or by a new login. */
const slugs = ['default', 'by-acr', 'by-login'] as const;
let site: WholeSite;
const providers = new Map<string, TestProvider>();
beforeAll(async () => {
  for (const slug of slugs) providers.set(slug, await startTestProvider({ slug, people: people[slug] }));
  site = await startWholeSite({
    providers: [],
    parts: {
      clock: () => new Date(),
      identityProviders: slugs.map((slug) => at(slug).configured({ assurance: assuranceOf(slug) })),
    },
  });
  for (const provider of providers.values()) await provider.registerAt(site.publicUrl);
});
afterAll(async () => {
  await site?.close();
  for (const provider of providers.values()) await provider.close();
});
beforeEach(async () => {
  await policy({ mfa_required: true, mfa_max_age_seconds: null, mfa_sources: ['provider', 'passkey'] });
  for (const provider of providers.values()) {
    Object.assign(provider.behaviour, {
      amr: ['pwd'],
      acr: null,
      authTimeOffsetSeconds: 0,
      requireStepUpAcr: null,
      lyingAcr: false,
    });
    provider.requests.length = 0;
  }
});

function assuranceOf(slug: string): ProviderSettings['assurance'] {
  const { assurance } = settingsOf(slug, '');
  const stepUp = {
    default: null,
    'by-acr': { acrValues: [stepUpAcr] },
    'by-login': { prompt: 'login' as const },
  };
  return { ...assurance, multiFactorAcr: [stepUpAcr], stepUp: stepUp[slug as keyof typeof stepUp] };
}
function at(slug: string): TestProvider {
  const provider = providers.get(slug);
  if (provider === undefined) throw new Error(`no provider ${slug}`);
  return provider;
}
async function policy(change: {
  mfa_required?: boolean;
  mfa_max_age_seconds?: number | null;
  mfa_sources?: ('provider' | 'passkey')[];
}): Promise<void> {
  await site.database.db.updateTable('organizations').set(change).where('slug', '=', 'acme').execute();
}
const url = (path: string) => new URL(path, site.publicUrl);
const linkTo = (page: VisitedPage, slug: string) => {
  const found = new RegExp(`href="(/login/choose/[^"/]+/${slug})"`).exec(page.text)?.[1];
  if (found === undefined) throw new Error(`no way to ${slug}: ${page.text}`);
  return url(found);
};

/** As far as one form of the provider's leads; further forms are filled in while there are any. */
async function signIn(slug: string, browser = new Browser(), username = 'bob'): Promise<VisitedPage> {
  const start = await browser.open(linkTo(await browser.open(url('/console/sessions')), slug));
  return await fillIn(slug, browser, start, username);
}
async function fillIn(slug: string, browser: Browser, start: VisitedPage, username: string) {
  let page = start;
  for (
    let forms = 0;
    forms < 4 && page.text.includes('name="login"') && page.url.origin === at(slug).issuer;
    forms += 1
  ) {
    page = await at(slug).logIn(browser, page, username);
  }
  return page;
}
const asked = (slug: string) =>
  at(slug).requests.filter(({ path, method }) => path === '/auth' && method === 'GET').length;
const sessions = (subject = 'bob') =>
  site.database.db
    .selectFrom('login_sessions')
    .selectAll()
    .where('kind', '=', 'browser')
    .where('subject', '=', subject)
    .orderBy('created_at', 'desc')
    .execute();
const refusals = async () =>
  (
    await site.database.db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', 'login.refused')
      .orderBy('id', 'desc')
      .execute()
  ).map(({ facts }) => facts);

describe('a login where a second factor is required', () => {
  test('is done when the provider proves it, and names the provider as who vouched', async () => {
    at('default').behaviour.amr = ['pwd', 'mfa'];
    expect((await signIn('default')).url.pathname).toBe('/console/sessions');
    expect((await sessions())[0]).toMatchObject({ mfa_by: 'provider', provider_slug: 'default' });
  });

  test('asks the provider for it by acr_values at once', async () => {
    at('by-acr').behaviour.requireStepUpAcr = stepUpAcr;
    expect((await signIn('by-acr', new Browser(), 'dora')).url.pathname).toBe('/console/sessions');
    expect((await sessions('dora'))[0]).toMatchObject({ mfa_by: 'provider', acr: stepUpAcr });
  });

  test('goes to the provider once more and not a third time, then to a passkey', async () => {
    const page = await signIn('by-login', new Browser(), 'emil');
    expect(page.text).toContain('Add a passkey');
    expect(asked('by-login')).toBe(2);
  });

  test('goes straight to a passkey where the provider can’t be asked', async () => {
    expect((await signIn('default')).text).toContain('Add a passkey');
    expect(asked('default')).toBe(1);
  });

  test('enrols no passkey in place of a second factor that was left out of the request to the provider', async () => {
    const { behaviour } = at('by-acr');
    behaviour.requireStepUpAcr = stepUpAcr;
    const browser = new Browser();
    await signIn('by-acr', browser, 'dora');
    // As for a thief who knows the password and takes acr_values out of the address.
    behaviour.requireStepUpAcr = null;
    at('by-acr').requests.length = 0;
    const page = await signIn('by-acr', new Browser(), 'dora');
    expect([page.status, page.text]).toEqual([403, expect.stringContaining('this login came without it')]);
    expect(asked('by-acr')).toBe(2);

    // Nor where the organization asks for none: environments may.
    await policy({ mfa_required: false });
    const add = async () =>
      await fillIn('by-acr', browser, await browser.open(url('/console/security/passkeys/add')), 'dora');
    const refused = await add();
    expect([refused.status, refused.text]).toEqual([
      403,
      expect.stringContaining('this login came without it'),
    ]);
    behaviour.requireStepUpAcr = stepUpAcr;
    expect((await add()).text).toContain('Add a passkey');
  });

  test('is refused where passkeys are not taken, and recorded', async () => {
    await policy({ mfa_sources: ['provider'] });
    const before = (await refusals()).length;
    const page = await signIn('default');
    expect([page.status, page.text]).toEqual([403, expect.stringContaining('Set one up there')]);
    const after = await refusals();
    expect(after).toHaveLength(before + 1);
    expect(after[0]).toMatchObject({ code: 'login_rejected', issuer: at('default').issuer });
  });

  test('[abuse 68] takes no second factor whose login is older than it may be, or that nobody knows the time of', async () => {
    await policy({ mfa_max_age_seconds: 900, mfa_sources: ['provider'] });
    const { behaviour } = at('default');
    behaviour.amr = ['mfa'];
    const before = (await sessions()).length;
    for (const offset of [-961, null]) {
      behaviour.authTimeOffsetSeconds = offset;
      const page = await signIn('default');
      // By the check of max_age itself, not by what is asked for after it.
      expect([page.status, page.text]).toEqual([403, expect.stringContaining('is not acceptable')]);
      expect(asked('default')).toBe(1);
      at('default').requests.length = 0;
    }
    expect(await sessions()).toHaveLength(before);
    behaviour.authTimeOffsetSeconds = -600;
    expect((await signIn('default')).url.pathname).toBe('/console/sessions');
  });
});

describe('a step-up in the console', () => {
  test('[abuse 70] is not satisfied by what the provider remembers, however well that was proven', async () => {
    const { behaviour } = at('default');
    behaviour.amr = ['mfa'];
    const browser = new Browser();
    await signIn('default', browser);
    const [before] = await sessions();
    // Within the 15 minutes that a second factor may be old, and yet before the step-up was asked for.
    behaviour.authTimeOffsetSeconds = -600;
    const form = await browser.open(url('/console/step-up?return_to=/console/security'));
    expect(form.url.origin).toBe(at('default').issuer);
    const page = await at('default').logIn(browser, form, 'bob');
    expect([page.status, page.text]).toEqual([403, expect.stringContaining('earlier login')]);
    expect((await sessions())[0]).toEqual(before);

    behaviour.authTimeOffsetSeconds = 0;
    const again = await browser.open(url('/console/step-up?return_to=/console/security'));
    expect((await at('default').logIn(browser, again, 'bob')).url.pathname).toBe('/console/security');
    const [after] = await sessions();
    expect(after?.id).toBe(before?.id);
    expect(after?.cookie_hash).not.toEqual(before?.cookie_hash);
  });

  test('by another person starts a session of that person, and ends the one before', async () => {
    at('default').behaviour.amr = ['mfa'];
    const browser = new Browser();
    await signIn('default', browser);
    const [before] = await sessions();
    const form = await browser.open(url('/console/step-up'));
    // The provider signs bob out first, by a page that goes on by itself in a browser.
    const left = await at('default').logIn(browser, form, 'carol');
    const page = await browser.open(new URL(/action="([^"]+)"/.exec(left.text)?.[1] ?? ''), {
      method: 'POST',
      body: new URLSearchParams({
        xsrf: /name="xsrf" value="([^"]+)"/.exec(left.text)?.[1] ?? '',
        logout: 'yes',
      }),
      from: left.url,
    });
    expect(page.text).toContain('carol@acme.test');
    const ended = (await sessions()).find(({ id }) => id === before?.id);
    expect(ended?.ended_at).not.toBeNull();
  });
});

describe('the steps between', () => {
  const handleOf = (page: VisitedPage) => page.url.pathname.split('/').at(-1) ?? '';
  const post = (browser: Browser, path: string, fields: Record<string, string>) =>
    browser.open(url(path), { method: 'POST', body: new URLSearchParams(fields), from: url('/') });

  test('belong to one browser: the handle alone is good for nothing', async () => {
    const page = await signIn('default');
    const stranger = new Browser();
    await stranger.open(url('/console/sessions'));
    for (const path of ['passkey', 'recovery', 'continue']) {
      const stolen = await stranger.open(url(`/login/${path}/${handleOf(page)}`));
      expect([stolen.status, stolen.text]).toEqual([
        400,
        expect.stringContaining('not started in this browser'),
      ]);
    }
  });

  test('can’t be left out: the end of a login is no place to go to before it', async () => {
    const browser = new Browser();
    const handle = handleOf(await signIn('default', browser));
    expect((await browser.open(url(`/login/continue/${handle}`))).status).toBe(400);
    expect((await browser.open(url('/console/sessions'))).text).not.toContain('bob@acme.test');
  });

  test('have another handle after every answer, and end after five wrong ones', async () => {
    const browser = new Browser();
    let page = await signIn('default', browser);
    const seen = new Set([handleOf(page)]);
    for (let tries = 0; tries < 4; tries += 1) {
      const answer = { login: handleOf(page), response: '{}', name: 'Key' };
      page = await post(browser, '/login/passkey', answer);
      expect(page.text).toContain('can not be read');
      seen.add(handleOf(page));
      // What was answered once is gone.
      expect((await post(browser, '/login/passkey', answer)).status).toBe(400);
    }
    expect(seen.size).toBe(5);
    const last = { login: handleOf(page), response: '{}', name: 'Key' };
    page = await post(browser, '/login/passkey', last);
    // A form's reply goes on by itself: the refusal is told by the request after it.
    const next = url(/href="(\/login\/continue\/[^"]+)"/.exec(page.text)?.[1] ?? '');
    expect((await browser.open(next)).status).toBe(403);
    expect((await browser.open(next)).status).toBe(400);
    expect((await post(browser, '/login/passkey', last)).status).toBe(400);
  });

  test('a recovery code is not asked for where a passkey is to be enrolled', async () => {
    const browser = new Browser();
    const handle = handleOf(await signIn('default', browser));
    expect((await browser.open(url(`/login/recovery/${handle}`))).status).toBe(400);
  });

  test('the choice of a provider leads only to those that are offered', async () => {
    const browser = new Browser();
    const page = await browser.open(url('/console/sessions'));
    const handle = handleOf(page);
    expect((await browser.open(url(`/login/choose/${handle}/elsewhere`))).status).toBe(400);
    expect((await new Browser().open(url(`/login/choose/${handle}/default`))).status).toBe(400);
  });
});
