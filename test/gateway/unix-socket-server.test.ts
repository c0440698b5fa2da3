import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { serveUnixSocket, type UnixSocketServer } from '../../src/gateway/unix-socket-server.ts';

let folder: string;
let server: UnixSocketServer;
const path = () => join(folder, 'route.sock');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  server = await serveUnixSocket({
    path: path(),
    mode: 0o666,
    owner: undefined,
    mostConnections: 3,
    routes: { '/route': (form) => `you said ${form.get('ticket')}` },
    onError: () => {},
  });
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(): Promise<Socket> {
  const socket = connect(path());
  await once(socket, 'connect');
  return socket;
}

function ask(socket: Socket): Promise<string> {
  const body = 'ticket=abc';
  socket.write(`POST /route HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  return text(socket).catch(() => 'cut off');
}

test('somebody who opens connections and says nothing uses up their share and no more', async () => {
  const idle = [await open(), await open(), await open()];
  expect(await ask(await open())).not.toContain('you said');
  idle[0]?.destroy();
  // The server sees the end of one after it; until then the next is turned away too.
  await expect.poll(async () => await ask(await open())).toContain('you said abc');
});

test('a form that is too long is cut off, and the server goes on', async () => {
  const socket = await open();
  const cut = text(socket).catch(() => 'cut off');
  socket.on('error', () => {});
  socket.write('POST /route HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n');
  socket.write('a'.repeat(400_000));
  expect(await cut).not.toContain('you said');
  expect(await ask(await open())).toContain('you said abc');
});
