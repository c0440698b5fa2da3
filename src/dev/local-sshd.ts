/**
 * Starts a real sshd for trying out and for tests, without changing the machine. An ordinary user's sshd lets that user
 * in and nobody else. An sshd of root that must know names which the machine does not know runs in a private mount
 * namespace, where files of ours lie over nsswitch.conf and the folder of libnss-extrausers.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder, writeFileAtomically } from '../files/write-file.ts';
import { endConnections } from '../gateway/end-connection.ts';
import { readProcess, readProcesses, readSameProcess } from '../gateway/proc.ts';
import { checkIsVisible, type MountNamespace, namespaceCommand } from './local-sshd-namespace.ts';

export interface LocalSshdOptions {
  /** Private: gets the configuration and the log. */
  readonly folder: string;
  readonly sshd: string;
  readonly address: string;
  readonly port: number;
  /** The text of a whole sshd configuration with this address and port. */
  readonly configuration: string;
  /** As root only. */
  readonly namespace?: MountNamespace;
}

export interface LocalSshd {
  readonly pid: number;
  readonly logFile: string;
  /** Ends the listener and every connection; returns when all are gone. */
  stop(): Promise<void>;
}

const setpriv = '/usr/bin/setpriv';
const startPatienceMilliseconds = 10_000;

/**
 * All that this OpenSSH has but sntrup761, which costs either side more than the rest of a connection. On loopback nobody
 * listens for later; where ML-KEM is there (OpenSSH 9.9), it is taken.
 */
export const quickKeyExchange = '-oKexAlgorithms=-sntrup761*';

/** @throws in_use if the port is busy; settings_invalid if the namespace would cover a folder; install_failed if sshd does not start, with the last lines of its log */
export async function startLocalSshd(options: LocalSshdOptions): Promise<LocalSshd> {
  const { folder, sshd, address, port, configuration, namespace } = options;
  if (namespace)
    for (const place of [folder, ...namespace.binds.map(({ from }) => from)]) checkIsVisible(place);
  await ensurePrivateFolder(folder);
  await checkPortIsFree(address, port);
  const configurationFile = join(folder, 'sshd_config');
  const logFile = join(folder, 'sshd.log');
  await writeFileAtomically(configurationFile, configuration, { mode: 0o600 });

  const run = [sshd, '-D', '-e', quickKeyExchange, '-f', configurationFile];
  const inPlace = namespace ? namespaceCommand(namespace, run) : run;
  // A parent that is killed takes its sshd along.
  const tied = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'TERM', ...inPlace] : inPlace;
  const [program = '', ...args] = tied;
  const log = openSync(logFile, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o600);
  const child = spawn(program, args, {
    // Ctrl-C goes to every process of the terminal's foreground group: a listener that dies of it leaves connections
    // that are nobody's children, and stop() would not find them.
    detached: true,
    stdio: ['ignore', log, log],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  closeSync(log);
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  if (!(await acceptsConnections(address, port, exited))) {
    child.kill('SIGKILL');
    throw new SallyportError(
      'install_failed',
      `sshd did not start on ${address}:${port}. It said:\n${tailOf(logFile)}`,
    );
  }
  return {
    pid: child.pid ?? 0,
    logFile,
    stop: () => stop(child.pid ?? 0, exited),
  };
}

/** The listener first, so that nobody new comes in; then what it left. */
async function stop(pid: number, exited: Promise<void>): Promise<void> {
  const listener = readProcess(pid);
  const monitors = readProcesses().filter(({ parent }) => parent === pid);
  if (listener && readSameProcess(listener)) process.kill(pid, 'SIGTERM');
  await exited;
  await endConnections(monitors);
}

async function checkPortIsFree(address: string, port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new SallyportError(
          'in_use',
          `${address}:${port} is busy. Stop what listens there, or choose another port.`,
          {
            cause,
          },
        ),
      ),
    );
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
  await new Promise((resolve) => server.close(resolve));
}

/** false if sshd ended before it accepted anybody. */
async function acceptsConnections(address: string, port: number, exited: Promise<void>): Promise<boolean> {
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  const deadline = performance.now() + startPatienceMilliseconds;
  while (!ended && performance.now() < deadline) {
    if (await canConnect(address, port)) return !ended;
    // sshd tells nobody that it is ready.
    await wait(10);
  }
  return false;
}

function canConnect(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function tailOf(file: string): string {
  return readFileSync(file, 'utf8').trim().split('\n').slice(-5).join('\n');
}
