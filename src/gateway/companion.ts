/**
 * The companion of a stock sshd: keeps what sshd reads in force, answers for it from memory, and ends connections whose
 * session, certificate, account or access has gone. It may be stopped and started again at any time; sshd and its
 * connections live on, nobody gets in meanwhile, and what was registered is known again.
 */
import type { ProcessLock } from '../files/process-lock.ts';
import { openAnsweringSockets } from './answering-sockets.ts';
import { claimFolders } from './claim-folders.ts';
import type { CompanionOptions } from './companion-options.ts';
import { ConnectionKeeper } from './connection-keeper.ts';
import { Connections } from './connections.ts';
import { DecisionBasis } from './decision-basis.ts';
import { type FeedClient, startFeedClient } from './feed-client.ts';
import { ensureHostKey } from './host-key.ts';
import { logFailure } from './log.ts';
import { Problems } from './problems.ts';
import { type Receiving, receiveState } from './receive-state.ts';
import { Reporter } from './reporter.ts';
import { createSshdListener } from './sshd-listener.ts';
import { StateInstaller } from './state-installer.ts';
import { Tickets } from './tickets.ts';
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
}

export function createCompanion(options: CompanionOptions): Companion {
  return new RunningCompanion(options);
}

class RunningCompanion implements Companion {
  readonly #options: CompanionOptions;
  readonly #ready = Promise.withResolvers<void>();
  readonly #problems = new Problems();
  readonly #basis: DecisionBasis;
  readonly #listener;
  readonly #reporter: Reporter;
  readonly #timers: NodeJS.Timeout[] = [];
  #lock: ProcessLock | undefined;
  #installer: StateInstaller | undefined;
  #keeper: ConnectionKeeper | undefined;
  #sockets: UnixSocketServer | undefined;
  #feed: FeedClient | undefined;

  constructor(options: CompanionOptions) {
    this.#options = options;
    this.#listener = createSshdListener(options.sshdPidFile);
    this.#basis = new DecisionBasis({
      nowSeconds: () => this.#nowSeconds(),
      maximumStalenessSeconds: options.maximumStalenessSeconds ?? null,
    });
    this.#reporter = new Reporter({
      feed: () => this.#feed,
      connections: () => this.#keeper?.report() ?? { connections: [] },
      problem: () => this.#problems.text(),
      onEnded: async (sessionIds) => {
        this.#basis.noteEnded(sessionIds);
        return (await this.#keeper?.endWhoMustGo()) ?? 0;
      },
      log: options.log,
    });
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  async start(): Promise<void> {
    const { paths, intervals, failClosed = false } = this.#options;
    this.#lock = await claimFolders(paths);
    const installer = await this.#createInstaller();
    const connections = new Connections(paths.connections);
    const keeper = this.#createKeeper(connections);
    this.#installer = installer;
    this.#keeper = keeper;
    await installer.installSaved();
    if (installer.installed) this.#ready.resolve();
    await keeper.endWhoMustGo();
    await keeper.findUnknown(failClosed);
    this.#sockets = await this.#openSockets(connections);
    this.#feed = this.#startFeed(installer, keeper);
    this.#every(intervals?.processesMilliseconds ?? 1_000, () => this.checkConnections());
    this.#every(intervals?.filesMilliseconds ?? 3_000, () => this.checkFiles());
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#feed?.stop();
    await this.#sockets?.close();
    this.#sockets = undefined;
    await this.#installer?.idle();
    this.#lock?.release();
    this.#lock = undefined;
  }

  status(): CompanionStatus {
    const installed = this.#installer?.installed;
    return {
      version: installed?.version ?? null,
      krlVersion: installed?.krl.version ?? null,
      connections: this.#keeper?.report().connections.length ?? 0,
      problem: [this.#problems.text(), this.#sshdProblem()].filter((one) => one !== null).join(' ') || null,
    };
  }

  async checkFiles(): Promise<void> {
    await this.#installer?.heal();
  }

  async checkConnections(): Promise<void> {
    const keeper = this.#keeper;
    if (keeper === undefined) return;
    // Not after the next step, which takes its time where something refuses to go.
    const reporting = keeper.refresh() ? this.#reporter.report() : undefined;
    // Access rules end by the clock too.
    const ended = await keeper.endWhoMustGo();
    await (ended > 0 ? this.#reporter.report() : reporting);
    // A state with a problem does not count as in force: the CA must hear that there is none any more.
    const installed = this.#installer?.installed;
    if (this.#problems.forgetGone() && installed) await this.#reporter.acknowledge(installed, 0);
  }

  /**
   * Not told to the CA: what it asked for is in force all the same. No problem before the first state, since there is
   * nothing yet for sshd to read.
   */
  #sshdProblem(): string | null {
    if (this.#installer?.installed === undefined || this.#listener.current()) return null;
    return `sshd does not run (no listener in ${this.#options.sshdPidFile}): nobody can log in here.`;
  }

  async #createInstaller(): Promise<StateInstaller> {
    const { paths, enrolment, programs, names, log } = this.#options;
    return new StateInstaller({
      paths,
      enrolment,
      hostPublicKey: await ensureHostKey(paths.stateFolder, paths.hostKey, programs.sshKeygen),
      sshKeygen: programs.sshKeygen,
      names,
      basis: this.#basis,
      log,
      onHostCertificate: () => this.#listener.reload(),
    });
  }

  #createKeeper(connections: Connections): ConnectionKeeper {
    return new ConnectionKeeper({
      connections,
      listener: this.#listener,
      basis: this.#basis,
      problems: this.#problems,
      log: this.#options.log,
      nowSeconds: () => this.#nowSeconds(),
      onChange: () => void this.#reporter.report(),
    });
  }

  #openSockets(connections: Connections): Promise<UnixSocketServer> {
    const { paths, programs, enrolment, log, principalsOwner, routeSocketInSessions } = this.#options;
    return openAnsweringSockets({
      paths,
      answering: {
        domain: enrolment.domain,
        curl: programs.curl,
        routeSocket: routeSocketInSessions ?? paths.routeSocket,
        listener: this.#listener,
        connections,
        tickets: new Tickets(),
        log,
        current: () => this.#basis.forAdmission(),
        onStarted: () => void this.#reporter.report(),
      },
      principalsOwner,
      onError: (error) => logFailure(log, 'error', 'socket.error', error),
    });
  }

  #startFeed(installer: StateInstaller, keeper: ConnectionKeeper): FeedClient {
    const { enrolment, log, feed } = this.#options;
    const receiving: Receiving = {
      installer,
      keeper,
      reporter: this.#reporter,
      problems: this.#problems,
      log,
      nowSeconds: () => this.#nowSeconds(),
      onReady: () => this.#ready.resolve(),
    };
    return startFeedClient({
      server: { url: enrolment.serverUrl, credential: enrolment.credential },
      onState: (state) => receiveState(receiving, state),
      onConnected: () => void this.#reporter.report(),
      onContact: () => {
        this.#basis.noteHeard(this.#nowSeconds());
        this.#reporter.onContact();
      },
      log,
      ...feed,
    });
  }

  #nowSeconds(): number {
    return Math.floor(this.#options.clock().getTime() / 1_000);
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
