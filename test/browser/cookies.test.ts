import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createPlainServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startWholeSite, type WholeSite } from '../server/whole-site.ts';
import { hasChromium, launchChromium, logInAtProvider, visit } from './chromium.ts';

const publicUrl = new URL('https://ssh.example.com');

/** For any name; the browser is told not to look. */
function certificate(): { key: string; cert: string } | undefined {
  try {
    const command = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x';
    const pem = execFileSync('openssl', [...command.split(' '), '-keyout', '-'], {
      stdio: 'pipe',
    }).toString();
    return { key: pem, cert: pem };
  } catch {
    return undefined;
  }
}
const tls = certificate();

describe.skipIf(!hasChromium || !tls)('cookies in a browser over https (needs chromium and openssl)', () => {
  let site: WholeSite;
  let browser: Browser;
  const closing: (() => void)[] = [];

  async function listening(server: Server | ReturnType<typeof createPlainServer>): Promise<number> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => {
      server.close();
      server.closeAllConnections();
    });
    return (server.address() as AddressInfo).port;
  }

  beforeAll(async () => {
    site = await startWholeSite({ publicUrl, parts: { clock: () => new Date() } });
    const front = createTlsServer({ ...tls }, (socket) => {
      const onward = connect({ host: '127.0.0.1', port: site.port });
      socket.pipe(onward).pipe(socket);
      for (const end of [socket, onward]) end.on('error', () => end.destroy());
    });
    front.listen(0, '127.0.0.1');
    await once(front, 'listening');
    closing.push(() => front.close());
    // What somebody else serves: at names beside and below ours, and at ours without encryption.
    const planting = (_request: unknown, response: import('node:http').ServerResponse) => {
      const value = `console_${'A'.repeat(43)}`;
      const attributes = ['Path=/', 'Path=/; Secure', 'Path=/; Secure; Domain=example.com'];
      const more = [
        'Path=/; Secure; Domain=ssh.example.com',
        'Path=/console; Secure; Domain=ssh.example.com',
      ];
      response.setHeader(
        'set-cookie',
        [...attributes, ...more].flatMap((each) => [
          `__Host-sallyport-session=${value}; ${each}`,
          `__host-sallyport-session=${value}; ${each}`,
          `sallyport-session=${value}; ${each}`,
        ]),
      );
      response.setHeader('content-type', 'text/html');
      response.end('<h1>Planted</h1>');
    };
    const elsewhere = await listening(createServer({ ...tls }, planting));
    const plain = await listening(createPlainServer(planting));
    const ours = (front.address() as AddressInfo).port;
    const rules = [
      `MAP ssh.example.com:443 127.0.0.1:${ours}`,
      `MAP *.example.com:443 127.0.0.1:${elsewhere}`,
      `MAP ssh.example.com:80 127.0.0.1:${plain}`,
    ];
    browser = await launchChromium(
      `--host-resolver-rules=${rules.join(', ')}`,
      '--ignore-certificate-errors',
    );
  });
  afterAll(async () => {
    await browser?.close();
    for (const close of closing) close();
    await site?.close();
  });

  test('[abuse 92] the session’s cookie is ours alone: no sub-domain, sibling or plain http can plant or replace it', async () => {
    const { page, context } = await visit(browser, { ignoreHTTPSErrors: true });
    const home = new URL('/console/sessions', publicUrl).href;
    await page.goto(home);
    await logInAtProvider(page, 'alice');
    await page.waitForURL(home);
    const own = async () =>
      (await context.cookies(publicUrl.href)).filter(({ name }) => /^__host-sallyport-session$/i.test(name));
    const [before, ...others] = await own();
    expect(others).toEqual([]);
    expect(before).toMatchObject({
      name: '__Host-sallyport-session',
      domain: 'ssh.example.com',
      path: '/',
      httpOnly: true,
      secure: true,
      sameSite: 'Lax',
    });
    for (const from of ['https://x.example.com', 'https://evil.ssh.example.com', 'http://ssh.example.com']) {
      await page.goto(from);
      await page.getByRole('heading', { name: 'Planted' }).waitFor();
      expect([from, await own()]).toEqual([from, [before]]);
    }
    // What could be planted is another name's, and means nothing here.
    const planted = (await context.cookies(publicUrl.href)).filter(
      ({ name }) => name === 'sallyport-session',
    );
    expect(planted.length).toBeGreaterThan(0);
    await page.goto(home);
    await page.getByText('alice@acme.test').first().waitFor();
    await context.clearCookies({ name: '__Host-sallyport-session' });
    const asked = await page.evaluate(
      `fetch('/console/sessions', { redirect: 'manual' }).then(({ type }) => type)`,
    );
    expect(asked).toBe('opaqueredirect');
    await context.close();
  });

  test('it is not sent with a form of another site, and not with what another site’s page loads', async () => {
    const { page, context } = await visit(browser, { ignoreHTTPSErrors: true });
    await page.goto(new URL('/console/sessions', publicUrl).href);
    await logInAtProvider(page, 'alice');
    await page.waitForURL(new URL('/console/sessions', publicUrl).href);
    await page.route('https://evil.example/', (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<form method="post" action="${publicUrl.origin}/console/sign-out"><button>Go</button></form>`,
      }),
    );
    await page.goto('https://evil.example/');
    const request = page.waitForRequest(/sign-out/);
    const response = page.waitForResponse(/sign-out/);
    await page.getByRole('button').click();
    expect((await (await request).allHeaders())['cookie'] ?? '').not.toContain('sallyport-session');
    expect((await response).status()).toBe(403);
    await context.close();
  });
});
