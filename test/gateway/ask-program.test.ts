/** The compiled program and the line of sh and curl that stands in for it, both against a socket that misbehaves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { askProgramIn, installAskProgram } from '../../src/gateway/ask-program.ts';
import { removePrograms } from '../../src/gateway/compiled-program.ts';
import { companionPaths } from '../../src/gateway/paths.ts';
import { isProgram } from '../../src/gateway/programs.ts';
import { sshdConfiguration } from '../../src/gateway/sshd-configuration.ts';

const hasCompiler = isProgram('/usr/bin/cc');
const hasCurl = isProgram('/usr/bin/curl');

let folder: string;
let server: Server | undefined;
const sockets = new Set<Socket>();
let asked: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  if (hasCompiler) await installAskProgram({ folder: join(folder, 'programs') });
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  asked = [];
});

const socketPath = () => join(folder, 'principals.sock');

/** What the companion's side does with a connection once the whole question has come. */
async function companion(answer: (socket: Socket) => void): Promise<void> {
  await rm(socketPath(), { force: true });
  server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk;
      const [head = '', form] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
      if (form === undefined || form.length < length) return;
      asked.push(form);
      answer(socket);
    });
  });
  await new Promise<void>((resolve) => server?.listen(socketPath(), resolve));
}

function replying(
  body: string,
  head = `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
) {
  return companion((socket) => socket.end(head + body));
}

/** The words of the configuration, given to the program as sshd gives them: split as sshd splits them, and no shell. */
function command(kind: 'compiled' | 'curl', { user = 'web', key = 'AAAA', answerSeconds = 0.2 } = {}) {
  const text = sshdConfiguration({
    role: 'gateway',
    paths: { ...companionPaths('/state', '/run/sallyport'), principalsSocket: socketPath() },
    principalsUser: 'daemon',
    curl: '/usr/bin/curl',
    version: { major: 9, minor: 2 },
    answerSeconds,
    askProgram: kind === 'compiled' ? askProgramIn(join(folder, 'programs')) : null,
  });
  const line = /^AuthorizedPrincipalsCommand (.*)$/m.exec(text)?.[1] ?? '';
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  return words.map((word) => word.replace('%u', () => user).replace('%k', () => key));
}

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
}

function spawnProgram([program = '', ...args]: readonly string[]): ChildProcess {
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], env: {} });
}

async function ended(child: ChildProcess): Promise<Ran> {
  let stdout = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { status, stdout };
}

async function run(words: readonly string[]): Promise<Ran> {
  return await ended(spawnProgram(words));
}

const denial = { status: expect.not.toBeOneOf([0]), stdout: '' };

describe.each([
  ['compiled', hasCompiler],
  ['curl', hasCurl],
] as const)('asking by %s', (kind, isThere) => {
  describe.skipIf(!isThere)('(needs cc or curl)', () => {
    const ask = (options = {}) => run(command(kind, { answerSeconds: 5, ...options }));

    test('prints a whole answer byte for byte', async () => {
      const answer = 'restrict,command="x \\"y\\"" alice@example.com\n';
      await replying(answer);
      expect(await ask()).toMatchObject({ status: 0, stdout: answer });
    });

    test('names its parent, which is the monitor of the connection', async () => {
      await replying('x\n');
      await ask();
      expect(new URLSearchParams(asked[0]).get('ppid')).toBe(String(process.pid));
    });

    test.each(['$(id)', '`id`', '%u', '"; id; "', "'; id; '", '$IFS', 'a b&ppid=1', 'ü\\n', '-x'])(
      'sends the name %j as it is',
      async (user) => {
        await replying('x\n');
        await ask({ user, key: '+/=' });
        const form = new URLSearchParams(asked[0]);
        expect([form.getAll('user'), form.getAll('key'), form.getAll('ppid')]).toEqual([
          [user],
          ['+/='],
          [String(process.pid)],
        ]);
      },
    );

    test.each([
      ['403', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n'],
      ['500', 'HTTP/1.1 500 Internal\r\nContent-Length: 2\r\n\r\n'],
    ])('denies on status %s', async (_, head) => {
      await replying('x\n', head);
      expect(await ask()).toMatchObject(denial);
    });

    test('denies when nobody listens', async () => {
      await rm(socketPath(), { force: true });
      expect(await ask()).toMatchObject(denial);
    });

    test('denies when the companion hangs up', async () => {
      await companion((socket) => socket.destroy());
      expect(await ask()).toMatchObject(denial);
    });

    test('denies by its deadline when the companion does not answer', async () => {
      await companion(() => {});
      expect(await ask({ answerSeconds: 0.2 })).toMatchObject(denial);
    });

    test('denies by its deadline when the answer drips', async () => {
      await companion((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n');
        const drip = setInterval(() => socket.write('x'), 10);
        socket.once('close', () => clearInterval(drip));
      });
      expect((await ask({ answerSeconds: 0.2 })).status).not.toBe(0);
    });

    test('fails on an answer that was cut off', async () => {
      await companion((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nalice@exa'));
      expect((await ask()).status).not.toBe(0);
    });
  });
});

describe.skipIf(!hasCompiler)('the compiled program (needs cc)', () => {
  const ask = (args = command('compiled', { answerSeconds: 5 })) => run(args);

  test.each([
    ['no length', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n'],
    ['a length of more than there is', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n'],
    ['a length of less than there is', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n'],
    ['a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n'],
    ['a length with a sign', 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n'],
    ['a length beyond all numbers', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n'],
    ['no end of its head', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH\r\nContent-Length: 2\r\n\r\n'],
    ['another status', 'HTTP/1.1 2000 OK'],
    ['nothing', ''],
  ])('prints nothing of a reply with %s', async (_, head) => {
    await replying('x\n', head);
    expect(await ask()).toMatchObject({ status: 1, stdout: '' });
  });

  test('prints nothing of a reply that is too long to be one', async () => {
    const body = 'x'.repeat(600 * 1024);
    await replying(body);
    expect(await ask()).toMatchObject({ status: 1, stdout: '' });
  });

  test('passes on the longest answer that there is', async () => {
    const body = `${'permitopen="192.0.2.123:65535",'.repeat(4_000)}x\n`;
    await replying(body);
    expect(await ask()).toMatchObject({ status: 0, stdout: body });
  });

  test('prints nothing of an answer that was cut off', async () => {
    await companion((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nalice@exa'));
    expect(await ask()).toMatchObject({ status: 1, stdout: '' });
  });

  test('gives up in time where the queue of the socket is full', async () => {
    // Nobody accepts: the listener of another process is stopped, and its queue holds one.
    const listener = spawn('/usr/bin/python3', [
      '-c',
      `import socket,time\ns=socket.socket(socket.AF_UNIX)\ns.bind(${JSON.stringify(socketPath())})\ns.listen(0)\nc=socket.socket(socket.AF_UNIX)\nc.connect(${JSON.stringify(socketPath())})\nprint("up",flush=True)\ntime.sleep(60)`,
    ]);
    await rm(socketPath(), { force: true });
    await new Promise((resolve) => listener.stdout.once('data', resolve));
    expect(await ask(command('compiled', { answerSeconds: 0.2 }))).toMatchObject({ status: 1, stdout: '' });
    listener.kill('SIGKILL');
  });

  test('counts none of the time in which it stood still: an answer that comes after it is in time', async () => {
    const seconds = 0.5;
    const { promise: whenAsked, resolve: isAsked } = Promise.withResolvers<Socket>();
    await companion(isAsked);
    const asker = spawnProgram(command('compiled', { answerSeconds: seconds }));
    const ran = ended(asker);
    const answering = await whenAsked;
    asker.kill('SIGSTOP');
    await wait(seconds * 2_000);
    asker.kill('SIGCONT');
    // Long enough for it to find itself too late.
    await wait(seconds * 200);
    answering.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx\n');
    expect(await ran).toEqual({ status: 0, stdout: 'x\n' });
  });

  test.each([
    [[]],
    [['/s']],
    [['/s', '/p']],
    [['/s', '/p', '0']],
    [['/s', '/p', '-1']],
    [['/s', '/p', '1x']],
    [['/s', '/p', '99999999999999999999']],
    [[`/${'s'.repeat(200)}`, '/p', '100']],
  ])('refuses the arguments %j', async (args) => {
    expect(await ask([askProgramIn(join(folder, 'programs')), ...args])).toMatchObject({
      status: 1,
      stdout: '',
    });
  });

  test.each(['user', '=x', 'us er=x', 'ppid&user=x'])('refuses the field %j', async (field) => {
    await replying('x\n');
    const program = askProgramIn(join(folder, 'programs'));
    expect(await ask([program, socketPath(), '/principals', '1000', field])).toMatchObject({ status: 1 });
    expect(asked).toEqual([]);
  });

  test('is refused where it is too long a question to be one', async () => {
    await replying('x\n');
    const program = askProgramIn(join(folder, 'programs'));
    const fields = Array.from({ length: 6 }, () => `key=${'"'.repeat(100_000)}`);
    expect(await ask([program, socketPath(), '/principals', '1000', ...fields])).toMatchObject({ status: 1 });
    expect(asked).toEqual([]);
  });
});

describe('installing the program', () => {
  test.skipIf(!hasCompiler)('builds it for everybody to run and nobody to change', async () => {
    const { mode, uid } = await stat(askProgramIn(join(folder, 'programs')));
    expect([mode & 0o7777, uid]).toEqual([0o755, process.getuid?.()]);
  });

  test('without a compiler there is none, and that is no error', async () => {
    const where = join(folder, 'none');
    expect(await installAskProgram({ folder: where, isThere: () => false })).toEqual({
      path: null,
      why: 'no compiler could build it',
    });
  });

  test.skipIf(!hasCompiler)('takes one that was built elsewhere, and can take it away', async () => {
    const where = join(folder, 'given');
    const given = askProgramIn(join(folder, 'programs'));
    expect(await installAskProgram({ folder: where, given })).toEqual({ path: askProgramIn(where) });
    await removePrograms(where);
    await expect(stat(askProgramIn(where))).rejects.toThrow();
  });

  test('refuses a given program that answers by itself', async () => {
    const given = join(folder, 'liar');
    await writeFile(given, '#!/bin/sh\necho alice@example.com\n');
    await chmod(given, 0o755);
    const where = join(folder, 'lied');
    await expect(installAskProgram({ folder: where, given })).rejects.toMatchObject({ code: 'file_refused' });
    await expect(stat(askProgramIn(where))).rejects.toThrow();
  });
});
