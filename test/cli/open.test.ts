/**
 * `sally open`: pages of the console, and of nothing else.
 *
 * [abuse 127]: here the addresses that a command opens by itself; login.test.ts has those that a server names for a login.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Person } from './person.ts';
import { sampleTarget } from './reach/sample-targets.ts';
import { account, ServerDouble } from './server-double.ts';

const server = new ServerDouble();
const person = new Person();
beforeAll(async () => {
  await server.start();
  await person.login(server.url);
  server.answers['GET /v1/targets'] = {
    account,
    targets: [sampleTarget('shop-staging--web', { gateways: [] })],
    gateways: [],
    empty_apps: [],
    next: null,
  };
});
afterAll(async () => {
  person.remove();
  await server.stop();
});

async function opened(
  ...args: string[]
): Promise<{ code: number; stdout: string; urls: string[]; stderr: string }> {
  const urls: string[] = [];
  const openBrowser = async (url: string) => void urls.push(url);
  return { ...(await person.sally(['open', ...args], { openBrowser })), urls };
}

test('the console, one’s own account and a target are opened by their pages', async () => {
  expect((await opened('console')).urls).toEqual([`${server.url}/console`]);
  expect((await opened('account')).urls).toEqual([`${server.url}/console/security`]);
  expect((await opened('web')).urls).toEqual([`${server.url}/console/targets/shop-staging--web`]);
});

test('without a browser the address is printed', async () => {
  const address = `${server.url}/console\n`;
  expect(await opened('console', '--print')).toMatchObject({ code: 0, stdout: address, urls: [] });
  const headless = await person.sally(['open', 'console'], { environment: { headless: true } });
  expect(headless).toMatchObject({ code: 0, stdout: address });
  const openBrowser = async () => {
    throw new Error('none is installed');
  };
  expect(await person.sally(['open', 'console'], { openBrowser })).toMatchObject({
    code: 0,
    stdout: address,
  });
});

test('[abuse 127] what is not a page of this server is opened by no command, whoever names it', async () => {
  for (const what of [
    '-x',
    '$(id)',
    'file:///etc/passwd',
    'javascript:alert(1)',
    '//evil.example',
    '../..',
    '__proto__',
  ]) {
    const { code, urls, stdout } = await opened('--', what);
    expect([what, code === 0, urls, stdout]).toEqual([what, false, [], '']);
  }
  const { session } = person.paths;
  const before = readFileSync(session, 'utf8');
  for (const address of [
    'file:///etc/passwd',
    'javascript:alert(1)',
    'https://user:pw@evil.example',
    'http://evil.example',
  ]) {
    writeFileSync(session, before.replace(server.url, address));
    const { code, urls, stdout } = await opened('console');
    expect([address, code === 0, urls, stdout]).toEqual([address, false, [], '']);
  }
  writeFileSync(session, before);
  for (const name of ['-x', 'a b', 'a;id', '../console']) {
    server.answers['GET /v1/targets'] = {
      ...server.answers['GET /v1/targets'],
      targets: [{ ...sampleTarget('shop-staging--web'), name }],
    };
    const { code, urls } = await opened('--app', 'web');
    expect([name, code === 0, urls]).toEqual([name, false, []]);
  }
});
