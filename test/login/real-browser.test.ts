import { access } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { expect, test } from 'vitest';
import { startRunningServer } from '../oauth/running-server.ts';
import { newProofKey, SallyClient } from '../oauth/sally-client.ts';
import { openLandingPlace } from './landing-place.ts';

const executablePath = '/usr/bin/chromium';
const hasChromium = await access(executablePath).then(
  () => true,
  () => false,
);

test.skipIf(!hasChromium)('a browser gets from sally over both login pages back to sally', async () => {
  const running = await startRunningServer();
  const landing = await openLandingPlace();
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const client = new SallyClient(running, await newProofKey(), landing.port);
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    await page.goto((await client.authorizationUrl()).href);
    await page.fill('[name=username]', 'alice');
    await page.fill('[name=password]', running.people.alice.password);
    const code = await page.textContent('[data-one-time-code-of=alice]');
    await page.fill('[name=otp]', code ?? '');
    await page.click('button[type=submit]');
    await page.waitForURL(`http://127.0.0.1:${landing.port}/**`);
    const { status } = await client.redeem(new URL(page.url()).searchParams.get('code') ?? '');
    expect(status).toBe(200);
    // A broken content security policy says so here.
    expect(complaints.filter((text) => !text.includes('favicon'))).toEqual([]);
  } finally {
    await browser.close();
    await landing.close();
    await running.close();
  }
});
