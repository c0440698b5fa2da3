/**
 * The companion of a stock sshd: keeps what sshd reads in force, answers for it from memory, and ends connections whose
 * session, certificate, account or access has gone. It may be stopped and started again at any time; sshd and its
 * connections live on, nobody gets in meanwhile, and what was registered is known again.
 */
import type { ProcessLock } from '../files/process-lock.ts';
import { claimFolders } from './claim-folders.ts';
import type { CompanionOptions } from './companion-options.ts';
import { assembleParts, type CompanionParts } from './companion-parts.ts';
import type { FeedClient } from './feed-client.ts';
import { memoryKeeper } from './give-back-memory.ts';
import { logFailure } from './log.ts';
import { OneAtATime } from './one-at-a-time.ts';
import type { UnixSocketServer } from './unix-socket-server.ts';

export interface CompanionStatus {
  readonly version: string | null;
  readonly krlVersion: string | null;
  readonly connections: number;
  /** Why the last state could not be installed, or what else an admin must know. */
  readonly problem: string | null;
}

export interface Companion {
  /** Returns when sshd may ask; `ready` tells when there is something to answer with. */
  start(): Promise<void>;
  /** A state is installed: the files that sshd needs are there. */
  readonly ready: Promise<void>;
  /** Stops answering and listening; connections go on. */
  stop(): Promise<void>;
  status(): CompanionStatus;
  /** What the timers do, for whoever can't wait: look at the files, look at the processes. */
  checkFiles(): Promise<void>;
  checkConnections(): Promise<void>;
  checkSshd(): Promise<void>;
}

export function createCompanion(options: CompanionOptions): Companion {
  return new RunningCompanion(options);
}

class RunningCompanion implements Companion {
  readonly #options: CompanionOptions;
  readonly #ready = Promise.withResolvers<void>();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #sshdWork = new OneAtATime();
  readonly #giveBackMemory = memoryKeeper();
  #hasLooked = false;
  #lock: ProcessLock | undefined;
  #parts: CompanionParts | undefined;
  #sockets: UnixSocketServer | undefined;
  #feed: FeedClient | undefined;

  constructor(options: CompanionOptions) {
    this.#options = options;
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  async start(): Promise<void> {
    const { paths, intervals, failClosed = false } = this.#options;
    this.#lock = await claimFolders(paths);
    const parts = await assembleParts(this.#options, () => this.#onState());
    const { installer, keeper, watch } = parts;
    this.#parts = parts;
    await installer.installSaved();
    if (installer.installed) this.#ready.resolve();
    // A machine that slept may wake with an old state.
    await watch.lookAtAge();
    await keeper.endWhoMustGo();
    await keeper.findUnknown(failClosed);
    this.#sockets = await parts.openSockets();
    await parts.leases?.follow(installer.installed?.leases ?? []);
    this.#feed = parts.startFeed();
    this.#every(intervals?.processesMilliseconds ?? 1_000, () => this.checkConnections());
    this.#every(intervals?.filesMilliseconds ?? 3_000, () => this.checkFiles());
    this.#every(intervals?.driftMilliseconds ?? 60_000, () => this.checkSshd());
    if (installer.installed) this.#onState();
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#feed?.stop();
    await this.#parts?.instances?.stopped();
    await this.#sockets?.close();
    this.#sockets = undefined;
    this.#parts?.keeper.close();
    await this.#sshdWork.idle();
    await this.#parts?.installer.idle();
    this.#lock?.release();
    this.#lock = undefined;
  }

  status(): CompanionStatus {
    if (this.#parts === undefined) return { version: null, krlVersion: null, connections: 0, problem: null };
    const { installer, keeper, problems } = this.#parts;
    const sentences = [problems.text(), this.#sshdProblem(this.#parts)].filter((one) => one !== null);
    return {
      version: installer.installed?.version ?? null,
      krlVersion: installer.installed?.krl.version ?? null,
      connections: keeper.count(),
      problem: sentences.length === 0 ? null : sentences.join(' '),
    };
  }

  async checkFiles(): Promise<void> {
    if (this.#parts === undefined) return;
    const { installer, problems, reporter } = this.#parts;
    const isInForceNow = await installer.heal();
    if (!isInForceNow || installer.installed === undefined) return;
    problems.clear('state');
    this.#ready.resolve();
    await reporter.acknowledge(installer.installed, 0);
  }

  async checkConnections(): Promise<void> {
    if (this.#parts === undefined) return;
    const { installer, keeper, reporter, problems, watch, leases } = this.#parts;
    // It takes its time where a firewall does not answer.
    void leases?.look();
    // Not after the next step, which takes its time where something refuses to go.
    const reporting = keeper.forgetGone() ? reporter.report() : undefined;
    // Nothing waits for this: where sshd waits for a processor this does too.
    const arrivals = keeper.findArrived();
    // Access rules end by the clock too.
    const ended = await keeper.endWhoMustGo();
    await (ended > 0 ? reporter.report() : reporting);
    // A state with a problem does not count as in force: the CA must hear that there is none any more.
    const hasCleared = problems.forgetGone();
    const hasAged = await watch.lookAtAge();
    if ((hasCleared || hasAged) && installer.installed) await reporter.acknowledge(installer.installed, 0);
    await arrivals;
  }

  /** sshd's configuration: as the state wants it, and as it was installed. One look at a time. */
  checkSshd(): Promise<void> {
    return this.#sshdWork.run(async () => {
      if (this.#parts === undefined) return;
      const { installer, reporter, watch } = this.#parts;
      const isWritten = await watch.adaptSshd();
      const hasDrifted = await watch.lookAtSshd();
      if ((isWritten || hasDrifted) && installer.installed) {
        await reporter.acknowledge(installer.installed, 0);
      }
    });
  }

  /** A state is in force. Most change nothing of sshd's configuration, which is seen without asking sshd. */
  #onState(): void {
    this.#ready.resolve();
    this.#giveBackMemory();
    const { log, sshdFiles } = this.#options;
    const { watch } = this.#parts ?? {};
    if (sshdFiles === undefined || watch === undefined) return;
    this.#sshdWork
      .run(async () => {
        if ((await watch.adaptSshd()) || !this.#hasLooked) await watch.lookAtSshd();
        this.#hasLooked = true;
      })
      .catch((error: unknown) => logFailure(log, 'error', 'companion.check_failed', error));
  }

  /**
   * Not told to the CA: what it asked for is in force all the same. No problem before the first state, since there is
   * nothing yet for sshd to read.
   */
  #sshdProblem({ installer, listener }: CompanionParts): string | null {
    if (installer.installed === undefined || listener.current()) return null;
    return `sshd does not run (no listener in ${this.#options.sshdPidFile}): nobody can log in here.`;
  }

  #every(milliseconds: number, work: () => Promise<void>): void {
    const timer = setInterval(() => {
      work().catch((error: unknown) =>
        logFailure(this.#options.log, 'error', 'companion.check_failed', error),
      );
    }, milliseconds);
    this.#timers.push(timer);
  }
}
