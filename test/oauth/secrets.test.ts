import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { DeviceBrowser } from './device-browser.ts';
import { type MatrixWorld, person, startMatrixWorld } from './matrix-world.ts';

let world: MatrixWorld;
beforeAll(async () => {
  world = await startMatrixWorld();
});
afterAll(() => world.close());

test('of whole logins, good and refused, no code, token or verifier is in the log, and none but the code in an address', async () => {
  const addresses: string[] = [];
  const real = globalThis.fetch;
  const spy = vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, request) => {
    const response = await real(input, request);
    addresses.push(String(input), response.headers.get('location') ?? '');
    return response;
  });
  const secrets: string[] = [world.apiToken];
  let code: string;
  try {
    const login = await world.code();
    code = login.code;
    const { body: tokens } = await login.client.redeem(code);
    await login.client.redeem(code);
    const { body: next } = await login.client.refresh(String(tokens['refresh_token']));
    const { body: exchanged } = await login.client.exchange(world.apiToken);
    await login.client.exchange(`${world.apiToken}x`);
    const device = await world.client();
    const { body: asked } = await device.askForDevice({ provider: 'corp' });
    const browser = new DeviceBrowser(world.running);
    await browser.type('BCDF-GHJK');
    await browser.type(String(asked['user_code']));
    const start = new URL('/device/login', world.running.publicUrl);
    const question = await world.provider.logIn(browser.browser, start, person);
    await browser.decide(question, 'approve');
    const { body: given } = await device.poll(String(asked['device_code']));
    for (const body of [tokens, next, exchanged, asked, given]) {
      for (const [name, value] of Object.entries(body)) {
        if (/token$|_code$/.test(name) && typeof value === 'string') secrets.push(value);
      }
    }
    secrets.push(login.client.verifier, 'BCDF-GHJK');
  } finally {
    spy.mockRestore();
  }
  expect(secrets.length).toBeGreaterThanOrEqual(11);
  expect(world.running.log.length).toBeGreaterThan(10);
  const log = world.running.log.join('\n');
  const sent = addresses.join('\n');
  for (const secret of secrets) {
    expect(log).not.toContain(secret);
    expect(sent).not.toContain(secret);
  }
  // RFC 6749 section 4.1.2: the code goes through the browser; alone it is worth nothing, and it is good once.
  expect(log).not.toContain(code);
});
