/** A private Postgres for one run of the tests: its own folder, its own socket, no network, gone afterwards. */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

export interface PostgresCluster {
  /** Where its socket is. */
  readonly folder: string;
  /** A URL of the named database. */
  url(database: string): string;
  /** Ends it without a chance to write anything, and starts it again. */
  crash(): Promise<void>;
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

/**
 * Starts a cluster of its own: a new one, or a standby that follows another. The standby takes what is there now and
 * then every change. `durable`: commits reach the disk, as in real life; for benchmarks.
 */
export async function startPostgresCluster(
  programs: string,
  following?: PostgresCluster,
  { durable = false } = {},
): Promise<PostgresCluster> {
  // A socket's path holds at most 107 bytes, and TMPDIR may be deep.
  const parent = tmpdir().length > 60 ? '/tmp' : tmpdir();
  const folder = await mkdtemp(join(parent, 'sallyport-pg-'));
  const user = await ordinaryUser();
  if (user) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const options = { cwd: folder, env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' }, ...user };
  try {
    if (following) {
      const backup = ['-D', data, '-d', following.url('postgres'), '-R', '--checkpoint=fast', '--no-sync'];
      await run(join(programs, 'pg_basebackup'), backup, options);
    } else {
      // The folder is closed to everybody else, so `trust` lets in nobody but these tests.
      const initdb = ['-D', data, '-U', 'sallyport', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C'];
      await run(join(programs, 'initdb'), initdb, options);
    }
    const settings = {
      listen_addresses: '',
      unix_socket_directories: folder,
      max_connections: '200',
      shared_buffers: '64MB',
      ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const command = [...(await dyingWithParent()), join(programs, 'postgres'), '-D', data, ...flags];
    let server = await startServer(command, options);
    const end = async (signal: 'SIGINT' | 'SIGQUIT') => {
      if (server.exitCode !== null || server.signalCode !== null) return;
      const exited = once(server, 'exit');
      server.kill(signal);
      await exited;
    };
    return {
      folder,
      url: (database) =>
        `postgresql://sallyport@localhost:5432/${database}?host=${encodeURIComponent(folder)}`,
      crash: async () => {
        // "Immediate shutdown": nothing is written any more, and the next start recovers as after a power cut.
        await end('SIGQUIT');
        server = await startServer(command, options);
      },
      stop: async () => {
        await end('SIGINT');
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function startServer(command: readonly string[], options: SpawnOptions): Promise<ChildProcess> {
  const [program = '', ...args] = command;
  const server = spawn(program, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
  await ready(server.stderr);
  return server;
}

/** Resolves when the server says that it is up; goes on reading so that its log never fills the pipe. */
async function ready(log: NodeJS.ReadableStream): Promise<void> {
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: log })
      .on('line', (line) => {
        if (lines.length < 100) lines.push(line);
        if (/database system is ready to accept (read-only )?connections/.test(line)) resolve();
      })
      .on('close', () => reject(new Error(`Postgres did not start:\n${lines.join('\n')}`)));
  });
}
