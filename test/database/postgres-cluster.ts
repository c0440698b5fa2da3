/** A private Postgres for one run of the tests: its own folder, its own socket, no network, gone afterwards. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

export interface PostgresCluster {
  /** A URL of the named database. */
  url(database: string): string;
  stop(): Promise<void>;
}

const run = promisify(execFile);

/** The folder of `initdb` and `postgres`: Debian's newest, or one of PATH. Undefined if Postgres is not installed. */
export async function postgresPrograms(): Promise<string | undefined> {
  const debian = '/usr/lib/postgresql';
  const versions = (await readdir(debian).catch(() => [])).sort((a, b) => Number(b) - Number(a));
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean),
  ];
  for (const folder of folders) {
    const found = await Promise.all([access(join(folder, 'initdb')), access(join(folder, 'postgres'))]).then(
      () => true,
      () => false,
    );
    if (found) return folder;
  }
  return undefined;
}

/** initdb and postgres refuse to run as root. */
async function ordinaryUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const found = await run('getent', ['passwd', name]).catch(() => undefined);
    const [, , uid, gid] = found?.stdout.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('Postgres does not run as root, and there is neither a user postgres nor a user nobody.');
}

/** Linux ends the server with the test run, even one that was killed and can clean up nothing. */
async function dyingWithParent(): Promise<string[]> {
  const setpriv = '/usr/bin/setpriv';
  return await access(setpriv).then(
    () => [setpriv, '--pdeathsig', 'INT'],
    () => [],
  );
}

export async function startPostgresCluster(programs: string): Promise<PostgresCluster> {
  // A socket's path holds at most 107 bytes, and TMPDIR may be deep.
  const parent = tmpdir().length > 60 ? '/tmp' : tmpdir();
  const folder = await mkdtemp(join(parent, 'sallyport-pg-'));
  const user = await ordinaryUser();
  if (user) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const options = { cwd: folder, env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' }, ...user };
  try {
    // The folder is closed to everybody else, so `trust` lets in nobody but these tests.
    const initdb = ['-D', data, '-U', 'sallyport', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C'];
    await run(join(programs, 'initdb'), initdb, options);
    const settings = {
      listen_addresses: '',
      unix_socket_directories: folder,
      max_connections: '200',
      shared_buffers: '64MB',
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const command = [...(await dyingWithParent()), join(programs, 'postgres'), '-D', data, ...flags];
    const [program = '', ...args] = command;
    const server = spawn(program, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
    const exited = once(server, 'exit');
    await ready(server.stderr);
    return {
      url: (database) => `postgresql://sallyport@localhost/${database}?host=${encodeURIComponent(folder)}`,
      stop: async () => {
        server.kill('SIGINT');
        await exited;
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Resolves when the server says that it is up; goes on reading so that its log never fills the pipe. */
async function ready(log: NodeJS.ReadableStream): Promise<void> {
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: log })
      .on('line', (line) => {
        if (lines.length < 100) lines.push(line);
        if (line.includes('database system is ready to accept connections')) resolve();
      })
      .on('close', () => reject(new Error(`Postgres did not start:\n${lines.join('\n')}`)));
  });
}
