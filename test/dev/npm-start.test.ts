import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '../../src/dev/start-dev.ts';
import { type ProcessId, readProcesses, readSameProcess } from '../../src/gateway/proc.ts';
import { briefly, processesWith, root, type Started, sallyport, start } from './started-program.ts';

const hasSshd = existsSync('/usr/sbin/sshd');
const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((found) => found?.address === '::1');
/** Making a database takes seconds, so a folder that a test leaves is begun with again where it need not be a new one. */
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-start-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Four ports in a row, as --port wants them. */
async function portRow(): Promise<number> {
  for (;;) {
    const { console: first } = await freePorts();
    const probes = await Promise.all(
      [0, 1, 2, 3].map(
        (offset) =>
          new Promise<(() => void) | undefined>((resolve) => {
            const probe = createServer();
            probe.once('error', () => resolve(undefined));
            probe.listen({ host: '127.0.0.1', port: first + offset }, () => resolve(() => probe.close()));
          }),
      ),
    );
    for (const close of probes) close?.();
    if (probes.every((close) => close !== undefined)) return first;
  }
}

/** All processes below `pid`, at this moment. */
function descendants(pid: number): ProcessId[] {
  const all = readProcesses();
  const below = (parent: number): ProcessId[] =>
    all.filter((one) => one.parent === parent).flatMap((one) => [one, ...below(one.pid)]);
  return below(pid);
}

describe('what Node keeps compiled of a checkout', () => {
  const checkout = async (mode: string) => {
    const place = await mkdtemp(join(folder, 'checkout-'));
    for (const name of ['bin', 'src', 'node_modules']) await mkdir(join(place, name));
    await copyFile(join(root, 'bin', 'node.js'), join(place, 'bin', 'node.js'));
    await writeFile(join(place, 'package.json'), '{"type": "module"}');
    await writeFile(join(place, 'src', 'word.ts'), "const word: string = 'read'; console.log(word);");
    const words = `process.umask(${mode}); import('${place}/bin/node.js').then((m) => m.runEntry('word'))`;
    const reads = () =>
      expect(execFileSync(process.execPath, ['-e', words], { encoding: 'utf8', env: {} })).toBe('read\n');
    return { place, reads, packages: join(place, 'node_modules') };
  };

  test('nobody else can write, whatever the umask is', async () => {
    const { packages, reads } = await checkout('0');
    reads();
    for (const name of ['.cache', '.cache/sallyport']) {
      expect((await stat(join(packages, name))).mode & 0o777).toBe(0o700);
    }
    const kept = join(packages, '.cache', 'sallyport');
    await rm(kept, { recursive: true });
    await mkdir(kept);
    await chmod(kept, 0o777);
    reads();
    expect(await readdir(kept)).toEqual([]);
  });

  test.skipIf(process.getuid?.() !== 0)('is not left by root in somebody else’s', async () => {
    const { packages, reads } = await checkout('0o022');
    await chown(packages, 12_345, 12_345);
    reads();
    expect(await readdir(packages)).toEqual([]);
  });
});

describe('npm start', () => {
  test.skipIf(!hasSshd)(
    'shows where the console is, who the people are and three commands to try; TERM to npm leaves no process behind',
    async () => {
      const port = await portRow();
      const data = join(folder, 'whole');
      const npm = start('npm', ['start', '--', '--data', data, '--port', String(port)]);
      await npm.says(/Ctrl-C ends it/);
      const screen = npm.output();
      expect(screen).toContain(`http://localhost:${port}`);
      for (const name of ['alice', 'bob', 'carol']) {
        expect(screen).toMatch(new RegExp(`^  ${name} +[a-z2-9]{4}(-[a-z2-9]{4}){3}  `, 'm'));
      }
      expect(screen).toContain(`npx sally login --server http://localhost:${port}`);
      expect(screen).toContain('ssh shop-production--web.sallyport');
      expect(screen).toContain('npx sally admin sessions list');
      expect(processesWith(data).length).toBeGreaterThan(2);

      npm.child.kill('SIGTERM');
      await npm.ended;
      // npm may end before the program that it started has: that one ends with its last process.
      while (processesWith(data).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(processesWith(data)).toEqual([]);
    },
  );

  test.skipIf(!hasSshd)(
    'Ctrl-C ends connections too, though it reaches every process of the terminal, and npm passes it on',
    async () => {
      const port = await portRow();
      const args = ['start', '--', '--data', join(folder, 'whole'), '--port', String(port)];
      const npm = start('npm', args, {}, { ownGroup: true });
      await npm.says(/Ctrl-C ends it/);
      const pid = npm.child.pid ?? 0;
      const connection = connect({ host: '127.0.0.1', port: port + 2 });
      await once(connection, 'data');
      const [program, ...below] = descendants(pid);
      // Two listeners, and the connection's monitor at least.
      expect(below.length).toBeGreaterThan(2);

      process.kill(-pid, 'SIGINT');
      await npm.ended;
      // npm may end before the program that it started has.
      while (program && readSameProcess(program)) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(below.filter(readSameProcess)).toEqual([]);
      connection.destroy();
    },
  );

  describe('without machines', () => {
    let port: number;
    let data: string;
    let dev: Started;
    const begin = async () => {
      dev = start(process.execPath, [
        ...[briefly, sallyport, 'dev', '--data', data, '--port', String(port), '--no-ssh'],
      ]);
      await dev.says(/Ctrl-C ends it/);
    };
    const end = async () => {
      dev.child.kill('SIGTERM');
      expect(await dev.ended).toBe(0);
    };
    beforeAll(async () => {
      port = await portRow();
      data = join(folder, 'kept');
      await begin();
    });
    afterAll(end);

    test('says what is missing and what still works', () => {
      expect(dev.output()).toMatch(
        /There is no gateway and no target: .*\nLogging in, certificates .* work all the same/,
      );
    });

    test('a second start on the same data folder says which process has it', async () => {
      const second = start(process.execPath, [
        briefly,
        sallyport,
        'dev',
        '--data',
        data,
        '--port',
        '0',
        '--no-ssh',
      ]);
      expect(await second.ended).toBe(1);
      expect(second.output()).toBe(
        `sallyport: The data folder ${data} is in use by process ${dev.child.pid}. Stop that one, or give this one a folder of its own: npm start -- --data FOLDER --port PORT\n`,
      );
    });

    test.skipIf(!hasIpv6)(
      'answers at [::1] too, where browsers look for localhost first (needs ::1)',
      async () => {
        const headers = { host: `localhost:${port}` };
        const answer = get({ host: '::1', port, path: '/healthz', headers });
        const [response] = (await once(answer, 'response')) as [IncomingMessage];
        expect(await json(response)).toMatchObject({ status: 'ok' });
      },
    );

    test('keeps its data, shows passwords once, and keeps them where only their owner reads', async () => {
      const password = /^ {2}alice +(\S+)/m.exec(dev.output())?.[1] ?? 'none';
      const people = await readFile(join(data, 'people.json'), 'utf8');
      expect(people).toContain(password);
      expect((await stat(join(data, 'people.json'))).mode & 0o777).toBe(0o600);
      expect((await stat(data)).mode & 0o777).toBe(0o700);

      await end();
      await begin();
      expect(dev.output()).not.toContain(password);
      expect(dev.output()).toContain('Passwords were shown at the first start');
      expect(await readFile(join(data, 'people.json'), 'utf8')).toBe(people);
    });
  });

  test('a busy port is named, and nothing is left running', async () => {
    const holder = createServer();
    const port = await portRow();
    await new Promise<void>((resolve) => holder.listen({ host: '127.0.0.1', port: port + 1 }, resolve));
    const data = join(folder, 'busy');
    const dev = start(process.execPath, [briefly, sallyport, 'dev', '--data', data, '--port', String(port)]);
    expect(await dev.ended).toBe(1);
    expect(dev.output()).toContain(`sallyport: Port ${port + 1} on this machine is in use`);
    expect(processesWith(data)).toEqual([]);
    holder.close();
  });

  test.skipIf(!hasIpv6)('does not start beside a stranger at [::1] (needs ::1)', async () => {
    const port = await portRow();
    const stranger = createServer().listen({ host: '::1', port });
    await once(stranger, 'listening');
    const args = ['dev', '--data', join(folder, 'kept'), '--port', String(port), '--no-ssh'];
    const dev = start(process.execPath, [briefly, sallyport, ...args]);
    expect(await dev.ended).toBe(1);
    expect(dev.output()).toContain(`sallyport: [::1]:${port} is in use`);
    stranger.close();
  });

  test.each(['http://192.0.2.1:8420', 'https://ssh.example.com', 'http://localhost.example.com:8420'])(
    'refuses the public URL %s, which is not this machine',
    async (url) => {
      const dev = start(process.execPath, [
        sallyport,
        'dev',
        '--data',
        join(folder, 'none'),
        '--public-url',
        url,
      ]);
      expect(await dev.ended).toBe(1);
      expect(dev.output()).toMatch(/^sallyport: --public-url is .* but the demo is for this machine only/);
      expect(existsSync(join(folder, 'none'))).toBe(false);
    },
  );
});

test('serve without a database says what to set', async () => {
  const serve = start(process.execPath, [sallyport, 'serve'], { DATABASE_URL: '' });
  expect(await serve.ended).toBe(1);
  expect(serve.output()).toContain('DATABASE_URL: the Postgres database, such as postgres://');
});
