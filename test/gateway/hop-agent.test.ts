/** The agent of a second leg signs one login, with its certificate, and nothing else. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type HopAgent, openHopAgent } from '../../src/gateway/hop-agent.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { signWithKey, verifySignature } from '../../src/ssh/signature.ts';
import { WireReader, WireWriter } from '../../src/ssh/wire.ts';
import { TestAuthority } from './test-authority.ts';

const authority = new TestAuthority();
const key = generateEd25519();
const host = generateEd25519();
const certificate = authority.hopCertificate({
  account: 'alice@example.com',
  publicKey: key.publicKeyBlob,
  sessionId: crypto.randomUUID(),
});
const sessionId = Buffer.alloc(32, 7);

let folder: string;
let path: string;
let agent: HopAgent;
let closed: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  path = join(folder, 'agent');
  closed = 0;
  agent = await openHopAgent({
    path,
    owner: undefined,
    key,
    certificate,
    login: 'app',
    lifetimeMilliseconds: 60_000,
    lingers: false,
    onClosed: () => {
      closed += 1;
    },
  });
});
afterEach(async () => {
  agent.close();
  await rm(folder, { recursive: true, force: true });
});

const failure = Buffer.from([5]);
const success = Buffer.from([6]);

async function open(): Promise<Socket> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

/** One request, one reply. Undefined: the agent hung up. */
async function ask(socket: Socket, request: Buffer): Promise<Buffer | undefined> {
  socket.write(new WireWriter().string(request).bytes());
  return await new Promise((resolve) => {
    socket.once('close', () => resolve(undefined));
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 4 && received.length >= 4 + received.readUInt32BE()) {
        socket.removeAllListeners('data');
        resolve(received.subarray(4));
      }
    });
  });
}

interface Login {
  session?: Buffer;
  type?: number;
  user?: string;
  service?: string;
  method?: string;
  signed?: number;
  algorithm?: string;
  blob?: Buffer;
  more?: Buffer;
}

function login(change: Login = {}): Buffer {
  return new WireWriter()
    .string(change.session ?? sessionId)
    .u8(change.type ?? 50)
    .string(change.user ?? 'app')
    .string(change.service ?? 'ssh-connection')
    .string(change.method ?? 'publickey')
    .u8(change.signed ?? 1)
    .string(change.algorithm ?? 'ssh-ed25519-cert-v01@openssh.com')
    .string(change.blob ?? certificate)
    .raw(change.more ?? Buffer.alloc(0))
    .bytes();
}

function signing(data: Buffer, blob = certificate): Buffer {
  return new WireWriter().u8(13).string(blob).string(data).u32(0).bytes();
}

interface Binding {
  readonly session?: Buffer;
  readonly signed?: Buffer;
  readonly isForwarding?: number;
}

function binding({ session = sessionId, signed = session, isForwarding = 0 }: Binding = {}): Buffer {
  return new WireWriter()
    .u8(27)
    .string('session-bind@openssh.com')
    .string(host.publicKeyBlob)
    .string(session)
    .string(signWithKey(host.privateKey, signed))
    .u8(isForwarding)
    .bytes();
}

test('it lists the certificate, signs its login once, and is gone', async () => {
  const socket = await open();
  const listed = new WireReader(
    (await ask(socket, Buffer.from([11]))) ?? failure,
    'request_malformed',
    'reply',
  );
  expect([listed.u8(), listed.u32()]).toEqual([12, 1]);
  expect(listed.string().equals(certificate)).toBe(true);

  expect(await ask(socket, binding())).toEqual(success);
  const reply = new WireReader(
    (await ask(socket, signing(login()))) ?? failure,
    'request_malformed',
    'reply',
  );
  expect(reply.u8()).toBe(14);
  verifySignature({ publicKey: key.publicKeyBlob, bytes: login(), signature: reply.string() });

  expect(existsSync(path)).toBe(false);
  expect(await ask(socket, signing(login()))).toEqual(failure);
  expect(await ask(socket, Buffer.from([11]))).toEqual(Buffer.from([12, 0, 0, 0, 0]));
  await expect(open()).rejects.toThrow();
  expect(closed).toBe(1);
});

test('one that lingers is there after its signature, and signs nothing more', async () => {
  agent.close();
  const about = { path, owner: undefined, key, certificate, login: 'app', onClosed: () => {} };
  agent = await openHopAgent({ ...about, lifetimeMilliseconds: 60_000, lingers: true });
  expect((await ask(await open(), signing(login())))?.[0]).toBe(14);
  const socket = await open();
  expect(await ask(socket, signing(login()))).toEqual(failure);
  expect(await ask(socket, Buffer.from([11]))).toEqual(Buffer.from([12, 0, 0, 0, 0]));
});

test('its time is over when nobody comes', async () => {
  agent.close();
  const ended = Promise.withResolvers<void>();
  const about = { path, owner: undefined, key, certificate, login: 'app', lingers: false };
  agent = await openHopAgent({ ...about, lifetimeMilliseconds: 1, onClosed: ended.resolve });
  await ended.promise;
  expect(existsSync(path)).toBe(false);
});

test('the login that names the host’s key is signed too', async () => {
  const more = new WireWriter().string(host.publicKeyBlob).bytes();
  const data = login({ method: 'publickey-hostbound-v00@openssh.com', more });
  expect((await ask(await open(), signing(data)))?.[0]).toBe(14);
});

test.each<[string, Buffer]>([
  ['a login as another user', login({ user: 'root' })],
  ['another service', login({ service: 'ssh-userauth' })],
  ['another method', login({ method: 'hostbased' })],
  ['a question whether the key would do', login({ signed: 0 })],
  ['another message', login({ type: 51 })],
  ['another algorithm', login({ algorithm: 'ssh-ed25519' })],
  ['a login by the bare key', login({ blob: key.publicKeyBlob })],
  ['a login with bytes behind it', login({ more: Buffer.from([0]) })],
  ['a signature for a file (SSHSIG)', Buffer.from('SSHSIG\0\0\0\x04file\0\0\0\0\0\0\0\x06sha512')],
  ['nothing', Buffer.alloc(0)],
])('it does not sign %s, and still signs its login', async (_what, data) => {
  const socket = await open();
  expect(await ask(socket, signing(data))).toEqual(failure);
  expect(await ask(socket, signing(login(), key.publicKeyBlob))).toEqual(failure);
  expect((await ask(socket, signing(login())))?.[0]).toBe(14);
});

test.each<[string, Buffer[]]>([
  ['to another session', [binding({ session: Buffer.alloc(32, 8) })]],
  ['by a key that did not sign the session', [binding({ signed: Buffer.alloc(32, 8) })]],
  ['for being passed on', [binding({ isForwarding: 1 })]],
  ['twice', [binding(), binding({ session: Buffer.alloc(32, 8) })]],
])('a client that is bound %s gets nothing signed', async (_what, bindings) => {
  const socket = await open();
  for (const request of bindings) await ask(socket, request);
  expect(await ask(socket, signing(login()))).toEqual(failure);
});

test('it adds and removes no keys, and hangs up on what is too long', async () => {
  const socket = await open();
  for (const type of [17, 18, 19, 22, 25, 99])
    expect(await ask(socket, Buffer.from([type]))).toEqual(failure);
  expect(await ask(socket, Buffer.alloc(70_000, 13))).toBeUndefined();
});

test('its socket is its owner’s alone, and nothing lies beside it', async () => {
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(['agent']);
});

test('it ends with whoever opened it', async () => {
  const socket = await open();
  agent.close();
  expect(await ask(socket, Buffer.from([11]))).toBeUndefined();
  expect(existsSync(path)).toBe(false);
  expect(closed).toBe(1);
});
