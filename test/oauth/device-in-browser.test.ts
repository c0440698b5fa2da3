import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, SallyClient } from './sally-client.ts';

const executablePath = '/usr/bin/chromium';
const hasChromium = await access(executablePath).then(
  () => true,
  () => false,
);

describe.skipIf(!hasChromium)('a device login in a real browser', () => {
  let running: RunningServer;
  let chrome: Browser;
  beforeAll(async () => {
    running = await startRunningServer();
    await running.database.db.updateTable('organizations').set({ device_login: 'on' }).execute();
    chrome = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await chrome.close();
    await running.close();
  });

  async function asked() {
    const client = new SallyClient(running, await newProofKey(), 4000);
    const { body } = await client.askForDevice();
    return { client, userCode: String(body['user_code']), deviceCode: String(body['device_code']) };
  }

  async function atQuestion(page: Page, userCode: string): Promise<void> {
    await page.goto(`${running.publicUrl.origin}/device`);
    await page.getByLabel('Code').fill(userCode.toLowerCase());
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.fill('[name=username]', 'carol');
    await page.fill('[name=password]', running.people.carol.password);
    await page.click('button[type=submit]');
    await page.getByRole('heading', { name: 'May this machine log in as you?' }).waitFor();
  }

  test('[abuse 80] goes from the code over the login to the question, and a yes logs the machine in', async () => {
    const { client, userCode, deviceCode } = await asked();
    const page = await chrome.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    await atQuestion(page, userCode);
    await page.getByRole('button', { name: 'Yes, this is my machine' }).click();
    await page.getByText('The machine is logged in').waitFor();
    expect((await client.poll(deviceCode)).status).toBe(200);
    // A broken content security policy says so here.
    expect(complaints.filter((text) => !text.includes('favicon') && !text.includes('404'))).toEqual([]);
    await page.close();
  });

  test('[abuse 95] the question is not shown in a frame of another page', async () => {
    const { userCode } = await asked();
    const page = await chrome.newPage();
    await atQuestion(page, userCode);
    // Of the same host, so that the browser sends its cookie: only the headers keep it out.
    const evil = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<iframe src="${running.publicUrl.origin}/device/approve"></iframe>`);
    });
    evil.listen(0, '127.0.0.1');
    await once(evil, 'listening');
    try {
      const refused = page.waitForEvent('console', (message) =>
        /frame-ancestors|X-Frame-Options/i.test(message.text()),
      );
      await page.goto(`http://localhost:${(evil.address() as AddressInfo).port}/`);
      await refused;
      const frame = page.frames()[1];
      expect(await frame?.getByRole('button').count()).toBe(0);
    } finally {
      await page.close();
      evil.close();
      evil.closeAllConnections();
    }
  });
});
