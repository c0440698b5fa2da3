import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createNetServer, type Server as NetServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  createGuardedFetch,
  type GuardedFetchOptions,
  isLoopbackHost,
} from '../../src/outbound/guarded-fetch.ts';

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

test('[abuse 74] an answer over the limit is an error, announced or not', async () => {
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

describe('[abuse 74] the address behind a name', () => {
  /** A listener that speaks no TLS: that it was reached at all is what counts. */
  let plain: NetServer;
  let port: number;
  let reached = 0;
  beforeAll(async () => {
    plain = createNetServer((socket) => {
      reached += 1;
      socket.destroy();
    });
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    port = (plain.address() as AddressInfo).port;
  });
  afterAll(() => plain.close());
  beforeEach(() => {
    reached = 0;
  });

  const ask = async (url: string, options: GuardedFetchOptions) =>
    await createGuardedFetch({ timeoutMilliseconds: 2_000, ...options })(url, {}).catch((error) => error);

  test.each([
    ['10.0.0.1'],
    ['127.0.0.1'],
    ['169.254.169.254'],
    ['100.64.0.1'],
    ['::1'],
    ['fe80::1'],
    ['fd00:ec2::254'],
    ['::ffff:127.0.0.1'],
    ['64:ff9b::7f00:1'],
    ['224.0.0.1'],
    ['0.0.0.0'],
  ])('%s is not connected to', async (address) => {
    const error = await ask(`https://login.example:${port}/`, { resolve: async () => [address] });
    expect(error).toEqual(providerError);
    expect(error.message).toContain('not a public one');
    expect(reached).toBe(0);
  });

  test.each([
    'https://127.0.0.1',
    'https://2130706433',
    'https://0x7f.1',
    'https://0177.0.0.1',
    'https://[::1]',
    'https://[::ffff:127.0.0.1]',
    'https://[::ffff:7f00:1]',
    'https://localhost',
  ])('%s, written so in a URL, is not connected to', async (origin) => {
    const error = await ask(`${origin}:${port}/`, {});
    expect(error).toEqual(providerError);
    expect(reached).toBe(0);
  });

  test('is refused if only one of several is inside', async () => {
    const resolve = async () => ['93.184.216.34', '127.0.0.1'];
    const error = await ask(`https://login.example:${port}/`, { resolve });
    expect(error).toMatchObject({ code: 'login_provider_error', detail: '127.0.0.1' });
    // Names inside are not told to whoever may ask.
    expect(error.message).not.toContain('127.0.0.1');
    expect(reached).toBe(0);
  });

  test('is connected to where the operator has named host or network, and metadata never', async () => {
    const url = `https://login.example:${port}/`;
    const resolve = async () => ['127.0.0.1'];
    await ask(url, { resolve, privateHosts: [`login.example:${port}`] });
    expect(reached).toBe(1);
    await ask(url, { resolve, privateNetworks: ['127.0.0.0/8'] });
    expect(reached).toBe(2);
    await ask(url, { resolve, privateHosts: ['login.example'], privateNetworks: ['127.0.0.2'] });
    expect(reached).toBe(2);
    const everything = { privateHosts: [`login.example:${port}`], privateNetworks: ['0.0.0.0/0'] };
    const metadata = await ask(url, { ...everything, resolve: async () => ['169.254.169.254'] });
    expect(metadata.message).toContain('not a public one');
  });

  test('is looked up once for each request, checked, and that one is connected to', async () => {
    answer = (_request, response) => response.end('ok');
    const answers = [['127.0.0.1'], ['10.0.0.1'], ['127.0.0.1']];
    const asked: string[] = [];
    const rebinding = createGuardedFetch({
      allowInsecureLoopback: true,
      resolve: async (name) => {
        asked.push(name);
        return answers.shift() ?? [];
      },
    });
    const url = origin.replace('127.0.0.1', 'localhost');
    expect(await (await rebinding(url, {})).text()).toBe('ok');
    await expect(rebinding(url, {})).rejects.toEqual(providerError);
    expect(await (await rebinding(url, {})).text()).toBe('ok');
    expect(asked).toEqual(['localhost', 'localhost', 'localhost']);
  });
});

test('a compressed answer, which has no size that one could know, is an error', async () => {
  answer = (_request, response) => response.setHeader('content-encoding', 'gzip').end('x');
  await expect(get(origin, {})).rejects.toEqual(providerError);
});

test('[abuse 74] an answer that comes a byte at a time is an error when its time is over', async () => {
  answer = (_request, response) => {
    const drip = setInterval(() => response.write('x'), 10);
    response.on('close', () => clearInterval(drip));
  };
  await expect(get(origin, {})).rejects.toEqual(providerError);
});
