import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import fastify from 'fastify';
import { afterEach, expect, test } from 'vitest';
import { clientAddress, findClientAddresses, membership } from '../../src/http/client-address.ts';
import { mountAuthorizationServer } from '../../src/http/mount-authorization-server.ts';
import { answerProblems } from '../../src/http/problems.ts';
import { listRoutes } from '../../src/http/route-authentication.ts';

const proxies = ['10.0.0.0/8', '2001:db8:ffff::/48', '127.0.0.1'];

function address(remote: string, forwarded: string, hops = 1, networks = proxies): string {
  try {
    return clientAddress(remote, forwarded, { isProxy: membership(networks), hops });
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test.each([
  ['a client that is no proxy, whatever it says', '198.51.100.7', '203.0.113.9', '198.51.100.7'],
  ['a client that says nothing', '198.51.100.7', '', '198.51.100.7'],
  ['the proxy itself', '10.0.0.1', '', '10.0.0.1'],
  ['the entry of the proxy, not the client’s own', '10.0.0.1', '203.0.113.9, 198.51.100.7', '198.51.100.7'],
  ['a client in the proxies’ own network', '10.0.0.1', '203.0.113.9, 10.0.0.99', '10.0.0.99'],
  ['a client that calls itself a proxy', '10.0.0.1', '203.0.113.9, 10.0.0.1', '10.0.0.1'],
  ['the proxy over a socket for both families', '::ffff:10.0.0.1', '203.0.113.9', '203.0.113.9'],
  ['the same in hexadecimal', '::ffff:a00:1', '203.0.113.9', '203.0.113.9'],
  ['IPv4 inside IPv6', '10.0.0.1', '::ffff:203.0.113.9', '203.0.113.9'],
  ['IPv4 inside IPv6 in capitals', '10.0.0.1', '::FFFF:CB00:7109', '203.0.113.9'],
  ['IPv6 as anybody may write it', '10.0.0.1', '2001:0DB8:0:0:0:0:0:7', '2001:db8::7'],
  ['IPv6 with a zone', 'fe80::1%eth0', '203.0.113.9', 'fe80::1'],
  ['an IPv6 proxy', '2001:db8:ffff::1', '2001:db8::7', '2001:db8::7'],
  ['a proxy that adds ports', '10.0.0.1', '203.0.113.9:4711', '203.0.113.9'],
  ['a proxy that adds brackets and ports', '10.0.0.1', '[2001:db8::7]:4711', '2001:db8::7'],
  ['a proxy that adds brackets', '10.0.0.1', '[2001:db8::7]', '2001:db8::7'],
])('%s is found', (_what, remote, forwarded, expected) => {
  expect(address(remote, forwarded)).toBe(expected);
});

test('of two proxies in a row, each is believed once and only where it is one', () => {
  const chain = '203.0.113.9, 198.51.100.7, 10.0.0.2';
  expect(address('10.0.0.1', chain, 2)).toBe('198.51.100.7');
  expect(address('10.0.0.1', chain, 1)).toBe('10.0.0.2');
  expect(address('10.0.0.1', '203.0.113.9, 198.51.100.7', 2)).toBe('198.51.100.7');
  expect(address('10.0.0.1', '10.0.0.9, 10.0.0.8, 10.0.0.2', 2)).toBe('10.0.0.8');
});

test.each(['unknown', '_hidden', '203.0.113.9,', '0x7f.1', '203.0.113', '203.0.113.9 evil', '127.1', '[::1'])(
  'where the proxy names %j, the request is refused, and the proxy is not taken for the client',
  (forwarded) => {
    expect(address('10.0.0.1', forwarded)).toBe('request_malformed');
  },
);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** What a server on a real socket takes the sender of these header lines for. */
async function seen(
  headers: readonly string[],
  networks: readonly string[],
  listenOn: string,
): Promise<string> {
  const app = fastify();
  findClientAddresses(app, { networks, hops: 1 });
  answerProblems(app, []);
  app.get('/', async ({ ip }) => ip);
  await app.listen({ host: listenOn, port: 0 });
  closing.push(() => app.close());
  const socket = connect({ host: '127.0.0.1', port: (app.server.address() as AddressInfo).port });
  socket.write(['GET / HTTP/1.1', 'Host: x', ...headers, 'Connection: close', '', ''].join('\r\n'));
  const [, body = ''] = (await text(socket)).split('\r\n\r\n');
  return body;
}

test('[abuse 98] only what a trusted proxy wrote is believed, in no other header and in no spelling of one', async () => {
  const forged = [
    'X_Forwarded_For: 203.0.113.1',
    'X-Forwarded_For: 203.0.113.1',
    'X-Forwarded-For-: 203.0.113.1',
    'X-Real-IP: 203.0.113.1',
    'X-Client-IP: 203.0.113.1',
    'True-Client-IP: 203.0.113.1',
    'CF-Connecting-IP: 203.0.113.1',
    'Forwarded: for=203.0.113.1',
    'Via: 1.1 203.0.113.1',
  ];
  // Without a proxy, nothing; and neither through a socket that takes both families.
  expect(await seen(['X-Forwarded-For: 203.0.113.1', ...forged], [], '127.0.0.1')).toBe('127.0.0.1');
  expect(await seen(['X-Forwarded-For: 203.0.113.1', ...forged], [], '::')).toBe('127.0.0.1');
  // A proxy appends to the client's line, or adds a line of its own after it.
  const trusted = ['127.0.0.1'];
  const appended = 'X-FORWARDED-FOR: 203.0.113.1, 2001:DB8::7';
  expect(await seen([appended, ...forged], trusted, '127.0.0.1')).toBe('2001:db8::7');
  const lines = ['X-Forwarded-For: 203.0.113.1', 'x-forwarded-for: ::ffff:198.51.100.7'];
  expect(await seen([...lines, ...forged], trusted, '::')).toBe('198.51.100.7');
  // A client in the proxies' own network has not become a proxy by that.
  expect(await seen(['X-Forwarded-For: 203.0.113.1, 127.0.0.1'], trusted, '127.0.0.1')).toBe('127.0.0.1');
  // Without the right header there is only the proxy; with an unreadable one there is nobody.
  expect(await seen(forged, trusted, '127.0.0.1')).toBe('127.0.0.1');
  expect(
    JSON.parse(await seen(['X-Forwarded-For: 203.0.113.1, unknown'], trusted, '127.0.0.1')),
  ).toMatchObject({
    status: 400,
    code: 'request_malformed',
  });
});

test('the authorization server, which believes that header, finds there what we believe and nothing else', async () => {
  const app = fastify();
  const heard: unknown[] = [];
  listRoutes(app);
  findClientAddresses(app, { networks: ['127.0.0.1'], hops: 1 });
  await mountAuthorizationServer(app, {
    authorizationServer: {
      handler: (request, response) => {
        heard.push(request.headers['x-forwarded-for']);
        response.end();
      },
      registerRoutes: () => {},
      authenticate: async () => ({ sessionId: '', accountId: '' }),
      proofNonce: () => '',
    },
  });
  for (const forwarded of ['203.0.113.1, ::ffff:198.51.100.7', '127.0.0.1', undefined]) {
    const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
    await app.inject({ method: 'POST', url: '/oauth/token', headers });
  }
  await app.close();
  expect(heard).toEqual(['198.51.100.7', '127.0.0.1', '127.0.0.1']);
});
