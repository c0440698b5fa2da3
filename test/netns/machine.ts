/**
 * A machine of its own on this one: a network namespace with an address on a test's network, and a mount namespace in
 * which /etc, /var, /home and /run may be changed freely. What is written there is gone with the machine; processes are
 * this machine's and ended by id.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export interface Finished {
  /** 128 and the signal's place for what a signal ended. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Runs as this user of the machine, not as root. */
  readonly user?: string;
}

/** Overlays keep what the machine really has below, and take all changes. */
const setUp = `
mount -t tmpfs -o mode=0755,size=512m sallyport "$1"
for folder in etc var home root; do
  mkdir -p "$1/$folder/upper" "$1/$folder/work"
  mount -t overlay -o "lowerdir=/$folder,upperdir=$1/$folder/upper,workdir=$1/$folder/work" sallyport "/$folder"
done
mount -t tmpfs -o mode=0755,size=64m sallyport /run
mkdir -m 0755 /run/sshd
ip link set lo up
echo ready
exec sleep infinity
`;

export class Machine {
  readonly name: string;
  readonly address: string;
  readonly address6: string;
  /** The process that holds the namespaces. */
  readonly holder: number;
  readonly #holding: ChildProcess;
  readonly #environment: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    // What is compiled already: each machine starts our programs many times.
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '',
  };

  private constructor(name: string, host: number, holding: ChildProcess) {
    this.name = name;
    this.address = `10.213.0.${host}`;
    this.address6 = `fd00:213::${host}`;
    this.#holding = holding;
    this.holder = holding.pid ?? 0;
  }

  /** @param host the last number of its addresses @param folder where its scratch space is mounted */
  static async open(name: string, host: number, folder: string): Promise<Machine> {
    const scratch = join(folder, name);
    await mkdir(scratch, { recursive: true, mode: 0o755 });
    const holding = spawn(
      '/usr/bin/unshare',
      ['--net', '--mount', '--propagation', 'private', '/bin/sh', '-euc', setUp, 'sh', scratch],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const { stdout } = holding;
    if (stdout === null) throw new Error('no output');
    const ready = await Promise.race([once(stdout, 'data'), once(holding, 'exit')]);
    if (!String(ready[0]).startsWith('ready')) throw new Error(`The machine ${name} could not be made.`);
    return new Machine(name, host, holding);
  }

  /** Sets variables for whatever is run from now on. */
  setEnvironment(variables: Readonly<Record<string, string>>): void {
    Object.assign(this.#environment, variables);
  }

  /** Starts a program on the machine; its pid is the program's. */
  spawn(program: readonly string[], options: SpawnOptions & Pick<RunOptions, 'user'> = {}): ChildProcess {
    const { user, env, ...others } = options;
    const as = user === undefined ? [] : ['/usr/sbin/runuser', '-u', user, '--'];
    return spawn(
      '/usr/bin/nsenter',
      ['--target', `${this.holder}`, '--net', '--mount', '--wd=/', '--', ...as, ...program],
      { stdio: ['pipe', 'pipe', 'pipe'], ...others, env: { ...this.#environment, ...env } },
    );
  }

  async run(program: readonly string[], { input = '', env, user }: RunOptions = {}): Promise<Finished> {
    const child = this.spawn(program, { ...(env ? { env } : {}), ...(user ? { user } : {}) });
    return await finished(child, input);
  }

  /** @returns its output @throws what it said, if it fails */
  async must(program: readonly string[], options: RunOptions = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(program, options);
    if (status === 0) return stdout;
    throw new Error(`${this.name}: ${program.join(' ')} ended with ${status}:\n${stderr}${stdout}`);
  }

  async write(path: string, text: string, mode = '0644'): Promise<void> {
    await this.must(
      ['/bin/sh', '-euc', 'mkdir -p "$(dirname "$1")"; cat > "$1"; chmod "$2" "$1"', 'sh', path, mode],
      {
        input: text,
      },
    );
  }

  async read(path: string): Promise<string> {
    return await this.must(['/bin/cat', path]);
  }

  /** Everything that runs in it. */
  async processes(): Promise<number[]> {
    const own = await readlink(`/proc/${this.holder}/ns/net`).catch(() => undefined);
    if (own === undefined) return [];
    const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
    const there = await Promise.all(
      pids.map(async (pid) => (await readlink(`/proc/${pid}/ns/net`).catch(() => '')) === own),
    );
    return pids.filter((_, index) => there[index]).map(Number);
  }

  async close(): Promise<void> {
    for (;;) {
      const left = (await this.processes()).filter((pid) => pid !== this.holder);
      if (left.length === 0) break;
      for (const pid of left) end(pid);
      await wait(5);
    }
    const gone = once(this.#holding, 'exit');
    end(this.holder);
    await gone;
  }
}

/** Waits for its end and for all of its output. */
export async function finished(child: ChildProcess, input = ''): Promise<Finished> {
  const out = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    out.stderr += text;
  });
  // Who does not read its input may be gone before it is written.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  const [code] = await once(child, 'close');
  return { status: typeof code === 'number' ? code : 128, ...out };
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone in between.
  }
}
