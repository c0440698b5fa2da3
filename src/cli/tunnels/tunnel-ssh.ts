/**
 * One ssh of a tunnel. It is a process group of its own, so that Ctrl-C in the terminal does not reach it, and it ends with
 * whoever started it, however that ends: a small shell beside it waits at a pipe that only the starter holds open.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { KeptText } from '../after-refusal/kept-text.ts';

export interface TunnelSsh {
  readonly pid: number | undefined;
  /** Resolves when every port listens and the gateway has let it in; with false if it has ended without. */
  readonly up: Promise<boolean>;
  readonly ended: Promise<SshEnd>;
  stop(): void;
}

export interface SshEnd {
  readonly status: number;
  /** What ssh has said, without what it said of single connections through the tunnel. */
  readonly stderr: string;
}

export interface TunnelSshStart {
  readonly args: readonly string[];
  /**
   * The line by which ssh says that it is up, on standard output, where nothing of the other side comes: what is on standard
   * error a banner can hold, too.
   */
  readonly word: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
  /** Everything that it says on standard error. */
  readonly onLine: (line: string) => void;
}

/**
 * $$ is the pid that ssh has after exec. A line means that ssh has ended already, and its pid may be another's; the end of
 * the pipe without one that the starter is gone.
 */
const watched = `exec 3<&0 </dev/null
{ read -r _ <&3 || kill -TERM "$$"; } >/dev/null 2>&1 &
exec 3<&-
exec ssh "$@"`;

const patienceMilliseconds = 3_000;
const ofOneConnection = /^(channel \d+: open failed|Warning: Permanently added)[: ]/;

export function startTunnelSsh({ args, word, environment, platform, onLine }: TunnelSshStart): TunnelSsh {
  const [program, words] = platform === 'win32' ? ['ssh', args] : ['/bin/sh', ['-c', watched, 'sh', ...args]];
  const child = spawn(program, words, {
    // The local command is run by this shell, not by one that reads a person's files first.
    env: platform === 'win32' ? environment : { ...environment, SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: platform !== 'win32',
    windowsHide: true,
  });
  child.stdin.on('error', () => {});
  const up = Promise.withResolvers<boolean>();
  const said = new KeptText();
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.trimEnd() === word) up.resolve(true);
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    onLine(line);
    if (!ofOneConnection.test(line)) said.add(Buffer.from(`${line}\n`));
  });
  const ended = endOf(child).then((status) => {
    up.resolve(false);
    return { status, stderr: said.text };
  });
  let timer: NodeJS.Timeout | undefined;
  void ended.then(() => clearTimeout(timer));
  return {
    pid: child.pid,
    up: up.promise,
    ended,
    stop() {
      child.kill('SIGTERM');
      timer ??= setTimeout(() => child.kill('SIGKILL'), patienceMilliseconds);
    },
  };
}

/** Once its last words are read. A program that could not be started ends with 127, as a shell says it. */
function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(127));
    child.once('exit', () => child.stdin?.end('ended\n'));
    child.once('close', (code) => resolve(code ?? 255));
  });
}
