/** Bytes on a socket, as no proper client sends them. */
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { usualConnectionLimits } from '../../src/http/connection-limits.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const crlf = '\r\n';
let server: TestServer;
let port: number;
beforeAll(async () => {
  server = await startTestServer({
    connectionLimits: { headersMilliseconds: 300, requestMilliseconds: 400, checkMilliseconds: 50 },
  });
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  port = (server.app.server.address() as AddressInfo).port;
});
afterAll(() => server.close());

function open(): Socket {
  return connect({ host: '127.0.0.1', port });
}

/** Everything that comes until the server hangs up, by a reset too. */
async function heard(socket: Socket): Promise<string> {
  const said: Buffer[] = [];
  socket.on('data', (data) => said.push(data));
  await new Promise((resolve) => socket.on('close', resolve));
  return Buffer.concat(said).toString();
}

async function answer(bytes: string): Promise<{ statuses: number[]; head: string; all: string }> {
  const socket = open();
  socket.on('error', () => {});
  socket.write(Buffer.from(bytes, 'latin1'));
  const all = await heard(socket);
  const statuses = [...all.matchAll(/HTTP\/1\.1 ([0-9]{3}) /g)].map(([, status]) => Number(status));
  return { statuses, head: all.split(crlf + crlf)[0] ?? '', all };
}

const smuggled = 'GET /readyz HTTP/1.1\r\nHost: ssh.example.com\r\nConnection: close\r\n\r\n';
const post = (headers: readonly string[], body: string) =>
  ['POST /v1/companions/enrol HTTP/1.1', 'Host: ssh.example.com', ...headers, '', body].join(crlf);

const ambiguous: readonly (readonly [string, string])[] = [
  [
    'Content-Length and Transfer-Encoding',
    post(['Content-Length: 4', 'Transfer-Encoding: chunked'], `0${crlf}${crlf}${smuggled}`),
  ],
  [
    'Transfer-Encoding and Content-Length',
    post(['Transfer-Encoding: chunked', 'Content-Length: 6'], `0${crlf}${crlf}${smuggled}`),
  ],
  ['two lengths', post(['Content-Length: 0', `Content-Length: ${smuggled.length}`], smuggled)],
  ['the same length twice', post(['Content-Length: 2', 'Content-Length: 2'], `{}${smuggled}`)],
  ['a list of lengths', post([`Content-Length: 0, ${smuggled.length}`], smuggled)],
  ['a signed length', post(['Content-Length: +2'], `{}${smuggled}`)],
  ['a length in hexadecimal', post(['Content-Length: 0x2'], `{}${smuggled}`)],
  ['a length of more than a number', post(['Content-Length: 18446744073709551618'], `{}${smuggled}`)],
  ['a space before the colon', post(['Transfer-Encoding : chunked', 'Content-Length: 2'], `{}${smuggled}`)],
  ['another transfer coding', post(['Transfer-Encoding: xchunked'], `0${crlf}${crlf}${smuggled}`)],
  ['chunked not last', post(['Transfer-Encoding: chunked, identity'], `0${crlf}${crlf}${smuggled}`)],
  ['chunked twice', post(['Transfer-Encoding: chunked, chunked'], `0${crlf}${crlf}${smuggled}`)],
  [
    'two transfer codings',
    post(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], `0${crlf}${crlf}${smuggled}`),
  ],
  [
    'a folded coding',
    post(['Transfer-Encoding:', ' chunked', 'Content-Length: 5'], `0${crlf}${crlf}${smuggled}`),
  ],
  ['a folded header', post(['X-A: b', ' Content-Length: 2'], `{}${smuggled}`)],
  ['a header line without a colon', post(['Transfer-Encoding'], smuggled)],
  ['a null byte in a header', post(['X-A: b\0c', 'Content-Length: 2'], `{}${smuggled}`)],
  ['a bare carriage return', post(['X-A: b\rContent-Length: 2'], `{}${smuggled}`)],
  ['bare line feeds', post([], '').replaceAll(crlf, '\n') + smuggled],
  ['a chunk size with a sign', post(['Transfer-Encoding: chunked'], `+0${crlf}${crlf}${smuggled}`)],
  ['a chunk size with 0x', post(['Transfer-Encoding: chunked'], `0x0${crlf}${crlf}${smuggled}`)],
  [
    'a chunk size that overflows',
    post(['Transfer-Encoding: chunked'], `10000000000000000${crlf}${crlf}${smuggled}`),
  ],
  ['a chunk without its end', post(['Transfer-Encoding: chunked'], `2${crlf}{}0${crlf}${crlf}${smuggled}`)],
  ['a chunk ended by a line feed', post(['Transfer-Encoding: chunked'], `2\n{}\n0\n\n${smuggled}`)],
  [
    'a line feed in a chunk’s extension',
    post(['Transfer-Encoding: chunked'], `0;a\nb${crlf}${crlf}${smuggled}`),
  ],
  ['HTTP/1.0 with a transfer coding', post(['Transfer-Encoding: chunked'], smuggled).replace('1.1', '1.0')],
  ['no Host', `GET /healthz HTTP/1.1${crlf}Connection: close${crlf}${crlf}`],
  [
    'two Hosts',
    `GET /healthz HTTP/1.1${crlf}Host: ssh.example.com${crlf}Host: evil.example${crlf}Connection: close${crlf}${crlf}`,
  ],
  ['another protocol', `GET /healthz SMTP/1.1${crlf}Host: ssh.example.com${crlf}${crlf}`],
  ['HTTP/0.9', `GET /healthz${crlf}${crlf}`],
];

/** Each sends a byte now and then, so that the connection is never silent. */
const slow: readonly (readonly [string, string, string])[] = [
  ['headers', `GET /healthz HTTP/1.1${crlf}Host: ssh.example.com${crlf}`, `X-A: b${crlf}`],
  ['a body', post(['Content-Type: application/json', 'Content-Length: 4000'], ''), ' '],
  ['chunks', post(['Content-Type: application/json', 'Transfer-Encoding: chunked'], ''), `1${crlf} ${crlf}`],
];

/** What the server says before it hangs up on somebody who never comes to an end. */
async function answerToSlow(beginning: string, more: string): Promise<string> {
  const socket = open();
  // Written to after the other end has hung up.
  socket.on('error', () => {});
  socket.write(beginning);
  const dripping = setInterval(() => socket.write(more), 10);
  const said = await heard(socket);
  clearInterval(dripping);
  return said;
}

const http2 = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
const upgrade = [
  'GET /healthz HTTP/1.1',
  'Host: ssh.example.com',
  'Connection: Upgrade, HTTP2-Settings, close',
  'Upgrade: h2c',
  'HTTP2-Settings: AAMAAABkAAQAAP__',
  '',
  '',
].join(crlf);

test('two proper requests on one connection get two answers', async () => {
  const proper = post(['Content-Type: application/json', 'Content-Length: 2'], `{}${smuggled}`);
  const { statuses, all } = await answer(proper);
  expect(statuses).toEqual([400, 200]);
  expect(all).toContain('ready');
});

test('[abuse 102] no second request hides in a first, there is no HTTP/2 to reset, and nobody may be slow', async () => {
  for (const [what, bytes] of ambiguous) {
    const { statuses, all } = await answer(bytes);
    // Perhaps once for what could be read, once more for what then could not; nothing, where a reset has overtaken it.
    expect([what, statuses.filter((status) => status < 400)]).toEqual([what, []]);
    expect([what, all.includes('"ready"')]).toEqual([what, false]);
  }
  expect((await answer(http2)).statuses).toEqual([400]);
  const { statuses, head } = await answer(upgrade);
  expect(statuses).toEqual([200]);
  expect(head).not.toMatch(/^(upgrade|alt-svc):/im);
  for (const [what, beginning, more] of slow) {
    // Nothing, where a reset has overtaken it.
    expect(`${what}: ${await answerToSlow(beginning, more)}`).toMatch(
      new RegExp(`^${what}: (HTTP/1.1 408 |$)`),
    );
  }
});

test('an unreadable request is answered without a word about why', async () => {
  const { head, all } = await answer('nonsense\r\n\r\n');
  expect(head).toBe(
    'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncache-control: no-store\r\ncontent-length: 0',
  );
  expect(all.length).toBe(head.length + 4);
});

test('headers of more than 16 KiB are refused', async () => {
  const large = `GET /healthz HTTP/1.1${crlf}Host: ssh.example.com${crlf}X-A: ${'a'.repeat(17 * 1024)}${crlf}${crlf}`;
  expect((await answer(large)).statuses).toEqual([431]);
});

test('the usual limits are in force where none are given', async () => {
  const usual = await startTestServer();
  const { headersTimeout, requestTimeout, maxConnections } = usual.app.server;
  await usual.close();
  expect({ headersTimeout, requestTimeout, maxConnections }).toEqual({
    headersTimeout: usualConnectionLimits.headersMilliseconds,
    requestTimeout: usualConnectionLimits.requestMilliseconds,
    maxConnections: usualConnectionLimits.connections,
  });
});
