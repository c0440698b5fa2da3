/** A connection to a gateway's sshd: direct, by SOCKS5 (RFC 1928, 1929), or by HTTP CONNECT (RFC 9110 section 9.3.6). */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { printable } from '../printable.ts';
import type { ProxyServer } from './proxy.ts';

export interface Place {
  readonly host: string;
  readonly port: number;
}

const largestAnswer = 16 * 1024;

/** @throws unavailable, with what the machine or the proxy says against it */
export async function connectTo(
  place: Place,
  proxy: ProxyServer | undefined,
  patienceMilliseconds: number,
): Promise<Socket> {
  if (!proxy) return await opened(place, patienceMilliseconds);
  try {
    return await through(proxy, place, patienceMilliseconds);
  } catch (error) {
    if (!proxy.isForWeb) throw error;
    return await opened(place, patienceMilliseconds);
  }
}

async function through(proxy: ProxyServer, place: Place, patienceMilliseconds: number): Promise<Socket> {
  const socket = await opened(proxy, patienceMilliseconds, proxy.kind === 'https');
  const name = `the proxy ${proxy.host}:${proxy.port}`;
  const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), patienceMilliseconds);
  try {
    if (proxy.kind === 'socks5') await askSocks(socket, proxy, place);
    else await askHttp(socket, proxy, place);
    return socket;
  } catch (error) {
    socket.destroy();
    throw unavailable(`${name} did not connect to ${place.host}:${place.port}`, error);
  } finally {
    clearTimeout(timer);
  }
}

function opened({ host, port }: Place, patienceMilliseconds: number, isTls = false): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = isTls
      ? connectTls({ host, port, rejectUnauthorized: true, ...(isIP(host) === 0 && { servername: host }) })
      : connectTcp({ host, port, noDelay: true });
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), patienceMilliseconds);
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(unavailable(`${host}:${port} cannot be reached`, error));
    };
    socket.once('error', fail);
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

async function askSocks(
  socket: Socket,
  { user, password }: ProxyServer,
  { host, port }: Place,
): Promise<void> {
  const hasUser = user !== '';
  socket.write(Buffer.from(hasUser ? [5, 2, 0, 2] : [5, 1, 0]));
  const [version, method] = await read(socket, 2);
  if (version !== 5) throw new Error('it speaks no SOCKS5');
  if (method === 2 && hasUser) {
    const [name, secret] = [Buffer.from(user), Buffer.from(password)];
    if (name.length > 255 || secret.length > 255) throw new Error('the name or the password is too long');
    socket.write(Buffer.concat([Buffer.of(1, name.length), name, Buffer.of(secret.length), secret]));
    const [, status] = await read(socket, 2);
    if (status !== 0) throw new Error('it refuses the name and the password');
  } else if (method !== 0) {
    throw new Error('it wants a login of a kind that is not known here');
  }
  const number = Buffer.alloc(2);
  number.writeUInt16BE(port);
  socket.write(Buffer.concat([Buffer.of(5, 1, 0), socksAddress(host), number]));
  const [, status = 1, , type] = await read(socket, 4);
  if (status !== 0) throw new Error(socksFailures[status] ?? `it says ${status}`);
  // Where it connected from: of no interest, but of a length to know.
  const [length = 0] = type === 3 ? await read(socket, 1) : [type === 4 ? 16 : 4];
  await read(socket, length + 2);
}

/** A name is for the proxy to look up: it may be the only one who can. */
function socksAddress(host: string): Buffer {
  if (isIP(host) === 4) return Buffer.from([1, ...host.split('.').map(Number)]);
  if (isIP(host) === 6) {
    const { hostname } = new URL(`http://[${host}]`);
    const [head = '', tail] = hostname.slice(1, -1).split('::');
    const groups = (text: string | undefined) => (text ? text.split(':') : []);
    const [front, back] = [groups(head), groups(tail)];
    const middle = Array.from({ length: 8 - front.length - back.length }, () => '0');
    return Buffer.from([
      4,
      ...[...front, ...middle, ...back].flatMap((group) => {
        const value = Number.parseInt(group, 16);
        return [value >> 8, value & 255];
      }),
    ]);
  }
  const name = Buffer.from(host, 'ascii');
  if (name.length > 255) throw new Error('the name is too long');
  return Buffer.concat([Buffer.of(3, name.length), name]);
}

const socksFailures: Readonly<Record<number, string>> = {
  1: 'it failed',
  2: 'its rules forbid it',
  3: 'the network cannot be reached from it',
  4: 'the host cannot be reached from it',
  5: 'the connection was refused there',
  6: 'it took too long there',
  7: 'it does not connect to hosts',
  8: 'it does not know this type of address',
};

async function askHttp(
  socket: Socket,
  { user, password }: ProxyServer,
  { host, port }: Place,
): Promise<void> {
  const where = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  const login = Buffer.from(`${user}:${password}`).toString('base64');
  const lines = [
    `CONNECT ${where} HTTP/1.1`,
    `Host: ${where}`,
    ...(user === '' ? [] : [`Proxy-Authorization: Basic ${login}`]),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const answer = await readUntil(socket, '\r\n\r\n');
  const [first = ''] = answer.split('\r\n');
  if (/^HTTP\/1\.[01] 2[0-9][0-9]( |$)/.test(first)) return;
  throw new Error(/^HTTP\//.test(first) ? `it says: ${printable(first.slice(0, 100))}` : 'it speaks no HTTP');
}

/** Exactly so many bytes; what comes after them stays in the socket. */
async function read(socket: Socket, length: number): Promise<Buffer> {
  return await taking(socket, (bytes) => (bytes.length >= length ? length : undefined));
}

async function readUntil(socket: Socket, end: string): Promise<string> {
  const bytes = await taking(socket, (found) => {
    const at = found.indexOf(end);
    return at === -1 ? undefined : at + end.length;
  });
  return bytes.toString('latin1');
}

function taking(socket: Socket, enough: (bytes: Buffer) => number | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const done = (finish: () => void) => {
      socket.off('data', look).off('error', fail).off('close', closed).pause();
      finish();
    };
    const fail = (error: Error) => done(() => reject(error));
    const closed = () => fail(new Error('it hung up'));
    const look = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const length = enough(bytes);
      if (length === undefined) {
        if (bytes.length > largestAnswer) fail(new Error('its answer is too long'));
        return;
      }
      done(() => {
        if (bytes.length > length) socket.unshift(bytes.subarray(length));
        resolve(bytes.subarray(0, length));
      });
    };
    socket.on('data', look).on('error', fail).on('close', closed).resume();
  });
}

/** Whether sshd answers there: it says `SSH-` by itself (RFC 4253 section 4.2). @throws unavailable */
export async function requireSshd(
  place: Place,
  proxy: ProxyServer | undefined,
  patienceMilliseconds: number,
): Promise<void> {
  const socket = await connectTo(place, proxy, patienceMilliseconds);
  const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), patienceMilliseconds);
  try {
    const greeting = await read(socket, 4);
    if (greeting.toString('latin1') !== 'SSH-') throw new Error('something else than sshd answers');
  } catch (error) {
    throw unavailable(`${place.host}:${place.port} cannot be used`, error);
  } finally {
    clearTimeout(timer);
    socket.on('error', () => {}).destroy();
  }
}

function unavailable(what: string, cause: unknown): SallyportError {
  if (cause instanceof SallyportError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === undefined ? message : (failures[code] ?? code);
  return new SallyportError('unavailable', `${what}: ${why}.`, { cause });
}

const failures: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the network',
  ENOTFOUND: 'there is no host of this name',
  EAI_AGAIN: 'the name could not be looked up',
};
