/**
 * Keeps our file of sshd's configuration as the CA's state wants it: ports, and whether anybody may forward to their own
 * side. A new text is tried by sshd before it is put in place, and the old one comes back if sshd does not answer with it.
 */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { CompanionState } from '../api/companions.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { writeFileAtomically } from '../files/write-file.ts';
import { askSshd, readLines } from './effective-configuration.ts';
import { replaceOurFile } from './installation.ts';
import { listenersOfProcess } from './listening-ports.ts';
import { type Log, logFailure } from './log.ts';
import { OneAtATime } from './one-at-a-time.ts';
import { checkCandidate } from './sshd-candidate.ts';
import { configurationFor, type SshdFiles } from './sshd-files.ts';
import type { SshdListener } from './sshd-listener.ts';

export interface SshdKeeperOptions {
  readonly files: SshdFiles;
  /** Private: texts are tried there. */
  readonly folder: string;
  readonly listener: SshdListener;
  readonly log: Log;
  readonly patienceMilliseconds?: number;
}

type State = Pick<CompanionState, 'companion' | 'targets' | 'registered_keys'>;

/** A machine that has much to do is slow to start sshd anew; an old configuration is worse than a late one. */
const reloadPatienceMilliseconds = 15_000;
const pauseMilliseconds = 20;

export class SshdKeeper {
  readonly #options: SshdKeeperOptions;
  readonly #work = new OneAtATime();
  /** What did not work is not tried again and again. */
  #failed: string | undefined;
  #problem: string | null = null;

  constructor(options: SshdKeeperOptions) {
    this.#options = options;
  }

  /** One sentence, or null if the configuration is as the last state wants it. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Never throws. @returns whether the file was written or the problem is another one now */
  adapt(state: State): Promise<boolean> {
    return this.#work.run(() => this.#adapt(state));
  }

  async #adapt(state: State): Promise<boolean> {
    const { files, log } = this.#options;
    const before = this.#problem;
    const wanted = configurationFor(files, state);
    const present = await readFile(files.ours, 'utf8').catch(() => undefined);
    // A file that is gone is told as drift, by who looks for that.
    if (present === undefined || wanted === this.#failed) return false;
    if (present === wanted) {
      this.#failed = undefined;
      // A port that was taken when sshd began may still be.
      this.#problem = await this.#missingPorts(state);
      return this.#problem !== before;
    }
    try {
      await this.#replace(present, wanted, state);
      this.#problem = await this.#missingPorts(state);
    } catch (error) {
      this.#failed = wanted;
      const why = error instanceof Error ? error.message : 'unknown';
      this.#problem = `sshd's configuration could not be changed: ${why}`;
      logFailure(log, 'error', 'sshd.configuration_kept', error);
    }
    if (this.#problem === null) {
      const message = `Wrote ${files.ours} anew and had sshd read it.`;
      log({ level: 'info', event: 'sshd.configuration_changed', message });
    }
    return true;
  }

  async #replace(present: string, wanted: string, state: State): Promise<void> {
    const { files, folder } = this.#options;
    await checkCandidate({ files, folder, kind: files.options.role }, wanted);
    await this.#write(wanted);
    if (await this.#answersAfterReload(state)) return;
    await this.#write(present);
    await this.#answersAfterReload(undefined);
    throw new SallyportError(
      'install_failed',
      'sshd did not answer with the new one, so the old one is back. Is its first port free?',
    );
  }

  async #write(text: string): Promise<void> {
    const { ours, recordFile } = this.#options.files;
    if (recordFile !== null) await replaceOurFile(recordFile, ours, text);
    else await writeFileAtomically(ours, text, { mode: 0o600 });
  }

  /** True also if no sshd runs: it will read the file when it starts. */
  async #answersAfterReload(state: State | undefined): Promise<boolean> {
    const { listener, files } = this.#options;
    const running = listener.current();
    if (running === undefined) return true;
    const old = new Set(listenersOfProcess(running.pid).map(({ inode }) => inode));
    listener.reload();
    // sshd starts itself anew under the same pid; that it has is told by its sockets.
    const isNew = await this.#waitFor(() => {
      const now = listener.current() ? listenersOfProcess(running.pid) : [];
      return now.length > 0 && now.every(({ inode }) => !old.has(inode));
    });
    return isNew && (await this.#waitFor(() => greets(files, state?.companion.ports?.[0])));
  }

  async #missingPorts({ companion }: State): Promise<string | null> {
    const running = this.#options.listener.current();
    if (running === undefined) return null;
    const open = new Set(listenersOfProcess(running.pid).map(({ port }) => port));
    const missing = (companion.ports ?? []).filter((port) => !open.has(port));
    if (missing.length === 0) return null;
    return `sshd does not listen on ${missing.join(' and ')}: something else may be there.`;
  }

  async #waitFor(isSo: () => boolean | Promise<boolean>): Promise<boolean> {
    const patience = this.#options.patienceMilliseconds ?? reloadPatienceMilliseconds;
    const deadline = performance.now() + patience;
    while (performance.now() < deadline) {
      if (await isSo()) return true;
      // sshd tells nobody that it is ready.
      await wait(pauseMilliseconds);
    }
    return false;
  }
}

/** Whether an SSH server greets at the first port, or at any if there is none that must be first. */
async function greets({ sshd, main }: SshdFiles, firstPort: number | undefined): Promise<boolean> {
  const asked = await askSshd(sshd, main);
  if ('refusal' in asked) return false;
  const places = readLines(asked.text).get('listenaddress') ?? [];
  for (const place of places) {
    const [, address = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(place) ?? [];
    if (firstPort !== undefined && Number(port) !== firstPort) continue;
    const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
    if (await greetsAt(host, Number(port))) return true;
  }
  return false;
}

function greetsAt(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.setTimeout(1_000, () => socket.destroy());
    socket.once('data', (bytes) => {
      resolve(bytes.toString('latin1').startsWith('SSH-2.0-'));
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(false));
  });
}
