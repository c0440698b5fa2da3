import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGuardedFetch, isLoopbackHost } from '../../src/outbound/guarded-fetch.ts';

let server: Server;
let origin: string;
let answer: RequestListener;
let asked = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    asked += 1;
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
});

const get = createGuardedFetch({
  allowInsecureLoopback: true,
  timeoutMilliseconds: 200,
  responseLimitBytes: 1000,
});
const providerError = expect.objectContaining({ code: 'login_provider_error' });

test('an answer is handed out whole', async () => {
  answer = (_request, response) => response.setHeader('x-y', 'z').end('hello');
  const response = await get(origin, {});
  expect([response.status, response.headers.get('x-y'), await response.text()]).toEqual([200, 'z', 'hello']);
});

test.each([301, 302, 303, 307, 308])(
  '[abuse 64] a redirect (%i) is an error and is not followed',
  async (status) => {
    answer = (_request, response) => response.writeHead(status, { location: `${origin}/elsewhere` }).end();
    const before = asked;
    await expect(get(origin, { method: 'POST', body: 'secret' })).rejects.toEqual(providerError);
    expect(asked).toBe(before + 1);
  },
);

test('an answer over the limit is an error, announced or not', async () => {
  answer = (_request, response) => response.end('x'.repeat(1001));
  await expect(get(origin, {})).rejects.toEqual(providerError);
  answer = (_request, response) => {
    for (let part = 0; part < 11; part += 1) response.write('x'.repeat(100));
    response.end();
  };
  await expect(get(origin, {})).rejects.toEqual(providerError);
});

test('an answer that does not come, or never ends, is an error', async () => {
  answer = () => undefined;
  await expect(get(origin, {})).rejects.toEqual(providerError);
  answer = (_request, response) => response.write('a');
  await expect(get(origin, {})).rejects.toEqual(providerError);
});

test.each([
  'http://example.com/',
  'http://127.0.0.1.example.com/',
  'http://10.0.0.1/',
  'file:///etc/passwd',
  'data:text/plain,x',
  'https://user:secret@example.com/',
])('%s is not asked', async (url) => {
  await expect(get(url, {})).rejects.toEqual(providerError);
});

test('http on loopback is not asked unless it is allowed', async () => {
  const strict = createGuardedFetch({ allowInsecureLoopback: false });
  const before = asked;
  await expect(strict(origin, {})).rejects.toEqual(providerError);
  expect(asked).toBe(before);
});

test.each([
  ['localhost', true],
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['[::1]', true],
  ['127.0.0.1.example.com', false],
  ['localhost.example.com', false],
  ['10.0.0.1', false],
  ['[::]', false],
])('whether %s is this machine: %j', (host, expected) => {
  expect(isLoopbackHost(host)).toBe(expected);
});
