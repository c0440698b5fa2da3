/** One Chromium for a file of tests, and what it complains about. */
import { existsSync } from 'node:fs';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';

export const program = '/usr/bin/chromium';
export const hasChromium = existsSync(program);

export async function launchChromium(...args: readonly string[]): Promise<Browser> {
  return await chromium.launch({
    executablePath: program,
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), ...args],
  });
}

export interface Visit {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Errors of scripts, and what a policy blocked. */
  readonly complaints: string[];
}

/** A browser of somebody's own, without cookies unless they are given. */
export async function visit(browser: Browser, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    // The identity provider's pages, and what they load, are its own affair.
    const { url } = message.location();
    if (url !== '' && !/^http:\/\/localhost:|^https:\/\/ssh\.example\.com/.test(url)) return;
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { context, page, complaints };
}

/** The test provider's login form. */
export async function logInAtProvider(page: Page, username: string): Promise<void> {
  await page.getByLabel('Name').fill(username);
  await page.getByRole('button', { name: 'Log in' }).click();
}
