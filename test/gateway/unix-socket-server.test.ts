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
/** Of the route that takes its time: that somebody asked, and what they are told. */
let asked: PromiseWithResolvers<void>;
let answers: PromiseWithResolvers<string>;
const path = () => join(folder, 'route.sock');

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  asked = Promise.withResolvers();
  answers = Promise.withResolvers();
  server = await serveUnixSocket({
    path: path(),
    mode: 0o666,
    owner: undefined,
    mostConnections: 3,
    routes: {
      '/route': (form) => `you said ${form.get('ticket')}`,
      '/slow': () => {
        asked.resolve();
        return answers.promise;
      },
    },
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
  socket.on('error', () => {});
  return socket;
}

function ask(socket: Socket, route = '/route'): Promise<string> {
  const body = 'ticket=abc';
  socket.write(`POST ${route} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  return text(socket).catch(() => 'cut off');
}

test('somebody who opens connections and says nothing, or half of it, keeps nobody else out', async () => {
  const idle = [await open(), await open(), await open()];
  idle[0]?.write('POST /route HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nticket');
  const closed = new Promise((resolve) => idle[0]?.once('close', resolve));
  expect(await ask(await open())).toContain('you said abc');
  await closed;
  expect(idle.map(({ readyState }) => readyState)).toEqual(['closed', 'open', 'open']);
});

test('who has asked keeps the place until the answer, however many come after', async () => {
  const answer = ask(await open(), '/slow');
  await asked.promise;
  for (let count = 0; count < 5; count += 1) await open();
  answers.resolve('at last');
  expect(await answer).toContain('at last');
});

test('a form that is too long is cut off, and the server goes on', async () => {
  const socket = await open();
  const cut = text(socket).catch(() => 'cut off');
  socket.write('POST /route HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n');
  socket.write('a'.repeat(400_000));
  expect(await cut).not.toContain('you said');
  expect(await ask(await open())).toContain('you said abc');
});
