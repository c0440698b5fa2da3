import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, SallyClient } from './sally-client.ts';

let running: RunningServer;
beforeAll(async () => {
  running = await startRunningServer({ publicUrl: new URL('https://ssh.example.com') });
});
afterAll(() => running.close());

/** As a reverse proxy would ask, and with a Host that somebody made up. */
async function ask(path: string, cookies: readonly string[] = []): Promise<Response> {
  const cookie = cookies.map((line) => line.split(';')[0]).join('; ');
  return await fetch(`${running.address}${path}`, { redirect: 'manual', headers: { cookie } });
}

async function atIdentityProvider(change: Record<string, string> = {}) {
  const client = new SallyClient(running, await newProofKey(), 4000);
  const url = await client.authorizationUrl(change);
  const first = await ask(`${url.pathname}${url.search}`);
  const interaction = new URL(first.headers.get('location') ?? '', running.publicUrl);
  const second = await ask(interaction.pathname, first.headers.getSetCookie());
  const cookies = [...first.headers.getSetCookie(), ...second.headers.getSetCookie()];
  return { cookies, location: new URL(second.headers.get('location') ?? '') };
}

test('over https every cookie is secure, HttpOnly, SameSite=Lax, of this host alone, and named so', async () => {
  const { cookies } = await atIdentityProvider();
  expect(cookies.length).toBeGreaterThanOrEqual(3);
  for (const cookie of cookies) {
    expect(cookie).toMatch(/^__(Host-sallyport-login|Secure-sallyport-(interaction|resume)(\.sig)?)=/);
    expect(cookie).toMatch(/; secure(;|$)/i);
    expect(cookie).toMatch(/; httponly(;|$)/i);
    expect(cookie).toMatch(/; samesite=lax(;|$)/i);
    expect(cookie).not.toMatch(/; domain=/i);
    if (cookie.startsWith('__Host-')) expect(cookie).toMatch(/; path=\/(;|$)/i);
  }
});

test('the identity provider is told the public callback, whatever host was asked', async () => {
  const { location } = await atIdentityProvider();
  expect(location.searchParams.get('redirect_uri')).toBe('https://ssh.example.com/login/callback');
});

test('sally can say how young the login must be', async () => {
  const asked = await atIdentityProvider({ max_age: '900' });
  expect(asked.location.searchParams.get('max_age')).toBe('900');
});
