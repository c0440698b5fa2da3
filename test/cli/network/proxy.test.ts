import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { connectTo } from '../../../src/cli/network/connect.ts';
import { type ProxyServer, type ProxyVariables, proxyFor } from '../../../src/cli/network/proxy.ts';

const closes: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closes.splice(0)) await close();
});

const found = (variables: ProxyVariables, host = 'gate.example.com') => {
  const proxy = proxyFor(variables, host);
  return proxy && `${proxy.kind} ${proxy.host}:${proxy.port}${proxy.isForWeb ? ' web' : ''}`;
};

describe('the proxy of the environment', () => {
  test.each<[ProxyVariables, string | undefined]>([
    [{}, undefined],
    [{ all: '' }, undefined],
    [{ all: 'socks5://p:1' }, 'socks5 p:1'],
    [{ all: 'socks5h://p' }, 'socks5 p:1080'],
    [{ all: 'p:3128' }, 'http p:3128'],
    [{ all: 'https://p' }, 'https p:443'],
    [{ all: 'http://[2001:db8::1]:8080' }, 'http 2001:db8::1:8080'],
    [{ all: 'socks5://a:1', https: 'http://b:2', http: 'http://c:3' }, 'socks5 a:1'],
    [{ https: 'http://b:2', http: 'http://c:3' }, 'http b:2 web'],
    [{ http: 'http://c:3' }, 'http c:3 web'],
  ])('%j is %j', (variables, wanted) => {
    expect(found(variables)).toBe(wanted);
  });

  test.each([
    ['*', 'gate.example.com', true],
    ['example.com', 'gate.example.com', true],
    ['.example.com,other', 'GATE.example.com', true],
    ['example.com', 'anexample.com', false],
    ['gate', 'gate.example.com', false],
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.1.2.3', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['2001:db8::/32', '2001:db8::7', true],
    ['10.0.0.0/99', '10.1.2.3', false],
    ['', 'gate.example.com', false],
  ])('no_proxy=%s exempts %s: %j', (none, host, isExempt) => {
    expect(found({ all: 'http://p:1', none }, host) === undefined).toBe(isExempt);
  });

  test.each(['socks4://p:1', 'ftp://p', 'http://', '://', 'http://user:secret@'])(
    'of %s is refused by the name of its variable, and not repeated',
    (all) => {
      expect(() => proxyFor({ all }, 'x')).toThrow(/^all_proxy names no proxy/);
      expect(() => proxyFor({ all }, 'x')).not.toThrow(/secret/);
    },
  );
});

/** A SOCKS5 server that answers as it is told, and keeps what it was sent. */
async function socks(answers: readonly number[][]): Promise<{ proxy: ProxyServer; sent: Buffer[] }> {
  const sent: Buffer[] = [];
  const open: Socket[] = [];
  const server = createServer((socket) => {
    open.push(socket.on('error', () => {}));
    const left = [...answers];
    socket.on('data', (bytes) => {
      sent.push(bytes);
      const next = left.shift();
      if (next) socket.write(Buffer.from(next));
      else socket.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closes.push(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const login = { user: 'me', password: 'hunter2' };
  return { proxy: { kind: 'socks5', host: '127.0.0.1', port, isForWeb: false, ...login }, sent };
}

describe('SOCKS5 (RFC 1928, 1929)', () => {
  const accepted = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

  test.each([
    ['gate.example.com', [3, 16, ...Buffer.from('gate.example.com')]],
    ['192.0.2.7', [1, 192, 0, 2, 7]],
    ['2001:db8::7', [4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]],
    ['::ffff:1.2.3.4', [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4]],
  ])('asks for %s, after name and password', async (host, address) => {
    const greeting = [...Buffer.from('SSH-2.0-x\r\n')];
    const { proxy, sent } = await socks([
      [5, 2],
      [1, 0],
      [...accepted, ...greeting],
    ]);
    const socket = await connectTo({ host, port: 2222 }, proxy, 5_000);
    expect(sent.map((bytes) => [...bytes])).toEqual([
      [5, 2, 0, 2],
      [1, 2, ...Buffer.from('me'), 7, ...Buffer.from('hunter2')],
      [5, 1, 0, ...address, 2222 >> 8, 2222 & 255],
    ]);
    // What came together with the answer is not lost.
    const [first] = await once(socket.resume(), 'data');
    expect(String(first)).toBe('SSH-2.0-x\r\n');
    socket.destroy();
  });

  test.each([
    [
      'refuses the password',
      [
        [5, 2],
        [1, 1],
      ],
      'refuses the name and the password',
    ],
    ['wants another login', [[5, 255]], 'wants a login of a kind'],
    ['is none', [[...Buffer.from('HTTP/1.1 400')]], 'speaks no SOCKS5'],
    [
      'may not',
      [
        [5, 0],
        [5, 2, 0, 1, 0, 0, 0, 0, 0, 0],
      ],
      'its rules forbid it',
    ],
    ['hangs up', [], 'it hung up'],
  ])('says what is wrong where it %s', async (_what, answers, message) => {
    const { proxy } = await socks(answers);
    const failure = await connectTo({ host: 'x', port: 22 }, proxy, 5_000).catch((error) => error);
    expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringContaining(message) });
    expect(failure.message).not.toContain('hunter2');
  });
});
