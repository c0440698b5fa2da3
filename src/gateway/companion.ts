/**
 * The companion of a stock sshd: keeps what sshd reads in force, answers for it from memory, and ends connections whose
 * session, certificate, account or access has gone. It may be stopped and started again at any time; sshd and its
 * connections live on, nobody gets in meanwhile, and what was registered is known again.
 */
import { chmod } from 'node:fs/promises';
import type { CompanionState } from '../api/companions.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type ProcessLock, tryProcessLock } from '../files/process-lock.ts';
import { ensurePrivateFolder } from '../files/write-file.ts';
import { type Answering, answerPrincipals, answerRoute, type Ticketed } from './answer-principals.ts';
import { type CheckedState, checkState } from './check-state.ts';
import { Connections } from './connections.ts';
import type { Facts } from './decide-offer.ts';
import { endConnections } from './end-connection.ts';
import type { Enrolment } from './enrolment.ts';
import { type FeedClient, type FeedClientOptions, startFeedClient } from './feed-client.ts';
import { ensureHostKey } from './host-key.ts';
import {
  checkCanaries,
  filesOf,
  type InstalledFiles,
  writeCanaries,
  writeInstalledFiles,
} from './install-state.ts';
import { judgeConnections } from './judge-connections.ts';
import type { Log } from './log.ts';
import { type GeneratedUser, nameFiles, targetUsers } from './names.ts';
import { type CompanionPaths, lockFile } from './paths.ts';
import { type ProcessId, readProcesses, readSameProcess } from './proc.ts';
import type { Programs } from './programs.ts';
import { readSavedState, writeSavedState } from './saved-state.ts';
import { createSshdListener, servesUser } from './sshd-listener.ts';
import { Tickets } from './tickets.ts';
import { serveUnixSocket, type UnixSocketServer } from './unix-socket-server.ts';
import { writeNames } from './write-names.ts';

export interface CompanionOptions {
  readonly paths: CompanionPaths;
  readonly enrolment: Enrolment;
  readonly programs: Programs;
  /** sshd's PidFile: read again whenever it matters, since sshd may be restarted. */
  readonly sshdPidFile: string;
  readonly clock: () => Date;
  readonly log: Log;
  /** Who owns principals.sock: the AuthorizedPrincipalsCommandUser. Absent: this user. */
  readonly principalsOwner?: { readonly uid: number; readonly gid: number };
  /** route.sock as the sessions of sshd see it, where that is not the companion's own view. */
  readonly routeSocketInSessions?: string;
  /** Gateways where the login name is the target's name: where to write the names, and which others they go with. */
  readonly names?: {
    readonly folder: string;
    readonly home: string;
    readonly others: readonly GeneratedUser[];
  };
  /** End connections that nobody knows, instead of reporting them. */
  readonly failClosed?: boolean;
  /** Nobody gets in when the CA was not heard of for so long; null or absent: the last state counts for ever. */
  readonly maximumStalenessSeconds?: number | null;
  readonly intervals?: { readonly processesMilliseconds: number; readonly filesMilliseconds: number };
  readonly feed?: Pick<FeedClientOptions, 'pauses' | 'silenceMilliseconds'>;
}

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

/** The clocks of CA and companion may differ by so much before an admin is told. */
const clockToleranceSeconds = 300;

export function createCompanion(options: CompanionOptions): Companion {
  return new RunningCompanion(options);
}

class RunningCompanion implements Companion {
  readonly ready: Promise<void>;
  readonly #options: CompanionOptions;
  readonly #listener;
  readonly #tickets = new Tickets<Ticketed>();
  readonly #markReady: () => void;
  readonly #endedElsewhere = new Set<string>();
  readonly #timers: NodeJS.Timeout[] = [];
  #lock: ProcessLock | undefined;
  #connections: Connections | undefined;
  readonly #sockets: UnixSocketServer[] = [];
  #feed: FeedClient | undefined;
  #hostPublicKey = '';
  #pinned: readonly string[];
  #checked: CheckedState | undefined;
  #files: InstalledFiles | undefined;
  /** The state whose files are in place; decisions may already be made from a newer one. */
  #installed: CompanionState | undefined;
  #lastContactSeconds = 0;
  readonly #problems = new Map<'state' | 'clock' | 'left' | 'unknown', string>();
  /** Connections that lived before this companion and that nobody knows. */
  #unknown: readonly ProcessId[] = [];
  #endedForVersion = { version: '', count: 0 };
  #filesAreBusy = Promise.resolve();
  #reporting: 'no' | 'yes' | 'again' = 'no';
  #lastReportFailed = false;

  constructor(options: CompanionOptions) {
    this.#options = options;
    this.#listener = createSshdListener(options.sshdPidFile);
    this.#pinned = options.enrolment.userAuthorities;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#markReady = resolve;
  }

  async start(): Promise<void> {
    const { paths, programs, enrolment, intervals } = this.#options;
    await ensurePrivateFolder(paths.stateFolder);
    await ensurePrivateFolder(paths.runFolder, 0o711);
    // Whatever the umask was: sessions must get through to route.sock.
    await chmod(paths.runFolder, 0o711);
    await ensurePrivateFolder(paths.connections);
    this.#lock = takeLock(paths);
    this.#hostPublicKey = await ensureHostKey(paths.stateFolder, paths.hostKey, programs.sshKeygen);
    this.#connections = new Connections(paths.connections);
    for (const name of this.#connections.damaged) {
      const message = `${paths.connections}/${name} can't be read; its connection counts as unknown.`;
      this.#options.log({ level: 'error', event: 'connections.damaged', message });
    }
    await this.#installSavedState();
    await this.#endWhoMustGo();
    await this.#lookForUnknownConnections();
    await this.#openSockets(this.#connections);
    this.#feed = startFeedClient({
      server: { url: enrolment.serverUrl, credential: enrolment.credential },
      onState: (state) => this.#onState(state),
      onConnected: () => void this.#report(),
      onContact: () => {
        this.#lastContactSeconds = this.#nowSeconds();
        // Heard, so it may take now what it did not take before.
        if (this.#lastReportFailed && this.#reporting === 'no') void this.#report();
      },
      log: this.#options.log,
      ...this.#options.feed,
    });
    this.#every(intervals?.processesMilliseconds ?? 1_000, () => this.checkConnections());
    this.#every(intervals?.filesMilliseconds ?? 3_000, () => this.checkFiles());
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#feed?.stop();
    await Promise.all(this.#sockets.splice(0).map((socket) => socket.close()));
    await this.#filesAreBusy;
    this.#lock?.release();
    this.#lock = undefined;
  }

  status(): CompanionStatus {
    return {
      version: this.#installed?.version ?? null,
      krlVersion: this.#installed?.krl.version ?? null,
      connections: this.#connections?.report().connections.length ?? 0,
      problem: this.#problemText(),
    };
  }

  /** Whatever damaged the files that sshd reads, they are as they must be again. */
  checkFiles(): Promise<void> {
    return this.#alone(async () => {
      if (this.#files === undefined || this.#checked === undefined) return;
      const { paths, programs, log } = this.#options;
      const healed = await writeInstalledFiles(paths, this.#files);
      if (healed.length === 0) return;
      log({
        level: 'error',
        event: 'files.healed',
        message: `Somebody else changed ${healed.map((name) => paths[name]).join(', ')}; written again.`,
      });
      await checkCanaries(programs.sshKeygen, paths);
    });
  }

  async checkConnections(): Promise<void> {
    // Not after the next step, which takes its time where something refuses to go.
    const reporting = this.#refresh() ? this.#report() : undefined;
    // Access rules end by the clock too.
    const ended = await this.#endWhoMustGo();
    await (ended > 0 ? this.#report() : reporting);
    // A state with a problem does not count as in force: the CA must hear that there is none any more.
    if (this.#forgetUnknown() && this.#installed) await this.#acknowledge(this.#installed, 0);
  }

  /** @returns whether the last unknown connection has gone */
  #forgetUnknown(): boolean {
    if (this.#unknown.length === 0) return false;
    this.#unknown = this.#unknown.filter((monitor) => readSameProcess(monitor) !== undefined);
    return this.#unknown.length === 0 && this.#problems.delete('unknown');
  }

  /** Forgets who is gone and finds who is logged in now. @returns whether there is something to report */
  #refresh(): boolean {
    return this.#connections?.refresh(this.#nowSeconds()) ?? false;
  }

  #problemText(): string | null {
    return this.#problems.size === 0 ? null : [...this.#problems.values()].join(' ').slice(0, 500);
  }

  #compareClocks(differenceSeconds: number): void {
    const skew = Math.abs(differenceSeconds);
    if (skew <= clockToleranceSeconds) this.#problems.delete('clock');
    else this.#problems.set('clock', `The clocks of this machine and of the CA differ by ${skew} seconds.`);
  }

  #nowSeconds(): number {
    return Math.floor(this.#options.clock().getTime() / 1_000);
  }

  #every(milliseconds: number, work: () => Promise<void>): void {
    const timer = setInterval(() => {
      work().catch((error: unknown) => this.#fail('companion.check_failed', error));
    }, milliseconds);
    this.#timers.push(timer);
  }

  #fail(event: string, error: unknown): void {
    const message = error instanceof Error ? error.message : 'unknown';
    const detail = error instanceof SallyportError ? (error.detail ?? null) : null;
    this.#options.log({ level: 'error', event, message, facts: { detail } });
  }

  /** One at a time: installing and healing write the same files. */
  #alone(work: () => Promise<void>): Promise<void> {
    const done = this.#filesAreBusy.then(work);
    this.#filesAreBusy = done.catch(() => {});
    return done;
  }

  #facts(): Facts | undefined {
    if (this.#checked === undefined) return undefined;
    const { state } = this.#checked;
    return {
      state,
      endedSessions: new Set([...state.ended_sessions, ...this.#endedElsewhere]),
      nowSeconds: this.#nowSeconds(),
    };
  }

  #isStale(): boolean {
    const limit = this.#options.maximumStalenessSeconds ?? null;
    return limit !== null && this.#nowSeconds() - this.#lastContactSeconds > limit;
  }

  async #openSockets(connections: Connections): Promise<void> {
    const { paths, programs, enrolment, log, principalsOwner, routeSocketInSessions } = this.#options;
    const answering: Answering = {
      domain: enrolment.domain,
      curl: programs.curl,
      routeSocket: routeSocketInSessions ?? paths.routeSocket,
      listener: this.#listener,
      connections,
      tickets: this.#tickets,
      log,
      current: () => {
        const facts = this.#facts();
        return this.#checked && facts && !this.#isStale() ? { checked: this.#checked, facts } : undefined;
      },
      onStarted: () => void this.#report(),
    };
    const onError = (error: unknown) => this.#fail('socket.error', error);
    this.#sockets.push(
      await serveUnixSocket({
        path: paths.principalsSocket,
        mode: 0o600,
        owner: principalsOwner,
        // Above MaxStartups of sshd-configuration.ts: a login must not wait for another.
        mostConnections: 1_000,
        route: '/principals',
        answer: (form) => answerPrincipals(answering, form),
        onError,
      }),
      await serveUnixSocket({
        path: paths.routeSocket,
        mode: 0o666,
        owner: undefined,
        // Every user of the machine may connect here.
        mostConnections: 100,
        route: '/route',
        answer: (form) => answerRoute(answering, form),
        onError,
      }),
    );
  }

  async #installSavedState(): Promise<void> {
    const saved = await readSavedState(this.#options.paths.state);
    if (saved === undefined) return;
    this.#pinned = saved.pinned;
    this.#lastContactSeconds = saved.state.generated_at;
    await this.#install(saved.state, { state: BigInt(saved.version), krl: BigInt(saved.krlVersion) });
    this.#markReady();
  }

  async #onState(state: CompanionState): Promise<void> {
    const { log, clock } = this.#options;
    const installed = this.#checked?.state;
    const versions = {
      state: BigInt(installed?.version ?? 0),
      krl: BigInt(installed?.krl.version ?? 0),
    };
    const installing = this.#install(state, versions).then(
      () => this.#problems.delete('state'),
      (error: unknown) => {
        this.#problems.set('state', error instanceof Error ? error.message : 'unknown');
        this.#fail('state.refused', error);
      },
    );
    const ended = await this.#endWhoMustGo();
    await installing;
    this.#compareClocks(Math.floor(clock().getTime() / 1_000) - state.generated_at);
    const current = this.#installed;
    if (current === undefined) return;
    if (!this.#problems.has('state')) {
      this.#markReady();
      log({
        level: 'info',
        event: 'state.in_force',
        message: `Version ${current.version} is in force.`,
        facts: { version: current.version, krl_version: current.krl.version, connections_ended: ended },
      });
    }
    await this.#acknowledge(current, ended);
  }

  /** The decision is in force when this returns its promise; the files are when that resolves. */
  #install(state: CompanionState, versions: { state: bigint; krl: bigint }): Promise<void> {
    const { paths, programs, enrolment, names } = this.#options;
    let checked: CheckedState;
    try {
      checked = checkState(state, {
        companionId: enrolment.companionId,
        domain: enrolment.domain,
        pinned: this.#pinned,
        versions,
        hostPublicKey: this.#hostPublicKey,
      });
    } catch (error) {
      return Promise.reject(error);
    }
    this.#checked = checked;
    this.#pinned = checked.authorityLines;
    return this.#alone(async () => {
      if (names) {
        const users = [...names.others, ...targetUsers(state.targets, names.home)];
        await writeNames(names.folder, nameFiles(users));
      }
      const previous = this.#files;
      this.#files = filesOf(checked);
      const written = await writeInstalledFiles(paths, this.#files);
      try {
        // At the first installation too: an earlier companion may have been cut off before it had asked.
        if (previous === undefined || written.includes('revokedKeys')) {
          await writeCanaries(paths, checked.canaryLines);
          await checkCanaries(programs.sshKeygen, paths);
        }
      } catch (error) {
        this.#files = previous;
        if (previous) await writeInstalledFiles(paths, previous);
        throw error;
      }
      await writeSavedState(paths.state, {
        format: 1,
        version: state.version,
        krlVersion: state.krl.version,
        pinned: [...checked.authorityLines],
        state,
      });
      this.#installed = checked.state;
      if (written.includes('hostCertificate')) this.#listener.reload();
    });
  }

  /** @returns how many connections were ended and are gone */
  async #endWhoMustGo(): Promise<number> {
    const facts = this.#facts();
    if (facts === undefined || this.#checked === undefined || this.#connections === undefined) return 0;
    const judged = judgeConnections(this.#connections.all(), facts, this.#checked.krl);
    if (judged.length === 0) return 0;
    const ended = await this.#end(judged.map(({ connection }) => connection));
    for (const { connection, reason } of judged) {
      const { account, sessionId, serial } = connection.offer;
      this.#options.log({
        level: 'info',
        event: 'connection.ended',
        message: `A connection of ${account} was ended.`,
        facts: { account, session: sessionId, serial, user: connection.user, reason },
      });
    }
    return ended;
  }

  async #end(monitors: readonly ProcessId[]): Promise<number> {
    const results = await endConnections(monitors);
    // Others may have gone by themselves meanwhile.
    if (this.#refresh()) void this.#report();
    const left = results.filter(({ gone }) => !gone);
    if (left.length > 0) {
      const message = `${left.length} connections could not be ended: processes of theirs belong to other users.`;
      this.#problems.set('left', message);
      this.#options.log({ level: 'error', event: 'connection.not_ended', message });
    } else this.#problems.delete('left');
    return results.length - left.length;
  }

  async #lookForUnknownConnections(): Promise<void> {
    const connections = this.#connections;
    if (connections === undefined) return;
    const processes = readProcesses();
    const unknown = this.#listener
      .monitors()
      .filter((monitor) => !connections.knows(monitor) && servesUser(monitor, processes));
    if (unknown.length === 0) return;
    const { failClosed = false, log } = this.#options;
    const message = `${unknown.length} live connections of this sshd are unknown to the companion${failClosed ? ' and were ended' : ''}.`;
    this.#problems.set('unknown', message);
    log({ level: 'warning', event: 'connections.unknown', message });
    this.#unknown = unknown;
    if (failClosed) await this.#end(unknown);
  }

  async #acknowledge({ version, krl }: CompanionState, ended: number): Promise<void> {
    // A state may come twice, after a reconnect for example: what it ended the first time stays true.
    const before = this.#endedForVersion.version === version ? this.#endedForVersion.count : 0;
    this.#endedForVersion = { version, count: before + ended };
    try {
      await this.#feed?.acknowledge({
        version,
        krl_version: krl.version,
        connections_ended: this.#endedForVersion.count,
        problem: this.#problemText(),
      });
    } catch (error) {
      this.#fail('feed.not_acknowledged', error);
    }
    if (ended > 0) await this.#report();
  }

  /** Tells the CA which connections live; one request at a time, the last one after the last change. */
  async #report(): Promise<void> {
    if (this.#reporting !== 'no') {
      this.#reporting = 'again';
      return;
    }
    do {
      this.#reporting = 'yes';
      await this.#reportOnce();
    } while (this.#hasMoreToReport());
    this.#reporting = 'no';
  }

  #hasMoreToReport(): boolean {
    return this.#reporting === 'again';
  }

  async #reportOnce(): Promise<void> {
    if (this.#feed === undefined || this.#connections === undefined) return;
    try {
      const ended = await this.#feed.report(this.#connections.report());
      this.#lastReportFailed = false;
      for (const sessionId of ended) this.#endedElsewhere.add(sessionId);
      if (ended.length > 0 && (await this.#endWhoMustGo()) > 0) this.#reporting = 'again';
    } catch (error) {
      this.#lastReportFailed = true;
      this.#fail('feed.not_reported', error);
    }
  }
}

/** @throws in_use */
function takeLock(paths: CompanionPaths): ProcessLock {
  const lock = tryProcessLock(lockFile(paths));
  if (lock) return lock;
  throw new SallyportError(
    'in_use',
    `Another companion runs with the folder ${paths.runFolder}. Stop it first.`,
  );
}
