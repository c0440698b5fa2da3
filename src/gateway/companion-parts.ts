/** The parts of a companion, put together: who tells whom. Nothing runs yet. */
import { basename, dirname, join } from 'node:path';
import type { Answering } from './answering.ts';
import { openAnsweringSockets } from './answering-sockets.ts';
import { AppLog, unitsOf } from './app-log.ts';
import { openCodeSocket } from './code-socket.ts';
import type { CompanionOptions } from './companion-options.ts';
import { ConnectionKeeper } from './connection-keeper.ts';
import { Connections } from './connections.ts';
import { DecisionBasis } from './decision-basis.ts';
import { type FeedClient, startFeedClient } from './feed-client.ts';
import { ensureHostKey } from './host-key.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { logFailure } from './log.ts';
import { MachineWatch } from './machine-watch.ts';
import { notForTheCa, Problems } from './problems.ts';
import { type Receiving, receiveState } from './receive-state.ts';
import { Relays } from './relays.ts';
import { InstanceReport } from './report-instances.ts';
import { Reporter } from './reporter.ts';
import { sessionCommand } from './session-command.ts';
import { SshdKeeper } from './sshd-keeper.ts';
import { createSshdListener, type SshdListener, severalListeners } from './sshd-listener.ts';
import { StateInstaller } from './state-installer.ts';
import type { UnixSocketServer } from './unix-socket-server.ts';
import { writeRouteProgram } from './write-route-program.ts';

export interface CompanionParts {
  readonly installer: StateInstaller;
  readonly keeper: ConnectionKeeper;
  readonly reporter: Reporter;
  readonly problems: Problems;
  readonly listener: SshdListener;
  readonly watch: MachineWatch;
  /** Undefined where no firewall is to be opened. */
  readonly leases: LeaseKeeper | undefined;
  /** Undefined where the host does not report what runs on it. */
  readonly instances: InstanceReport | undefined;
  /** From now on sshd may ask. */
  openSockets(): Promise<UnixSocketServer>;
  /** From now on states arrive and reports leave. */
  startFeed(): FeedClient;
}

/** @param onReady a state that the CA sent is installed */
export async function assembleParts(options: CompanionOptions, onReady: () => void): Promise<CompanionParts> {
  const { paths, enrolment, programs, log } = options;
  const nowSeconds = () => Math.floor(options.clock().getTime() / 1_000);
  const hostPublicKey = await ensureHostKey(paths.stateFolder, paths.hostKey, programs.sshKeygen);
  let feed: FeedClient | undefined;

  const problems = new Problems();
  const listener = createSshdListener(options.sshdPidFile);
  const codeListeners = options.codes ? [createSshdListener(options.codes.pidFile)] : [];
  const listeners = severalListeners(listener, codeListeners);
  const { maximumStalenessSeconds = null, whenStale = 'deny', failClosed = false } = options;
  const basis = new DecisionBasis({
    nowSeconds,
    maximumStalenessSeconds,
    whenStale,
    refuseByClock: failClosed,
    ...(options.opensLoopback === undefined ? {} : { opensLoopback: options.opensLoopback }),
  });
  const connections = new Connections(
    paths.connections,
    {
      onStarted: (connection) => appLog?.started(connection),
      onGone: (key, connection) => {
        relays.forget(key);
        appLog?.ended(connection);
      },
    },
    () => basis.age.heardForSeconds,
  );
  const { logProgram } = options;
  const appLog =
    logProgram !== undefined && enrolment.kind === 'host'
      ? new AppLog({ program: logProgram, unitsOf: (of) => unitsOf(of, basis.forEnding()?.facts.state), log })
      : undefined;
  const reporter = new Reporter({
    feed: () => feed,
    connections: () => connections.report(),
    onReported: (report) => connections.noteReported(report),
    onRefused: () => connections.noteRefused(),
    problem: () => problems.text(notForTheCa),
    onEnded: (sessionIds) => {
      basis.noteEnded(sessionIds);
      return keeper.endWhoMustGo();
    },
    log,
  });
  const report = () => void reporter.report();
  const keeper = new ConnectionKeeper({
    connections,
    listener: listeners,
    basis,
    problems,
    log,
    nowSeconds,
    onChange: report,
  });
  const installer = new StateInstaller({
    paths,
    enrolment,
    hostPublicKey,
    sshKeygen: programs.sshKeygen,
    names: options.names,
    basis,
    log,
    onHostCertificate: () => listeners.reload(),
  });
  const { sshdFiles } = options;
  const watch = new MachineWatch({
    age: basis.age,
    whenStale,
    installer,
    problems,
    sshd: sshdFiles && {
      files: sshdFiles,
      keeper: new SshdKeeper({ files: sshdFiles, folder: paths.stateFolder, listener, log }),
    },
    reportFile: paths.report,
    nowSeconds,
    log,
  });
  const acknowledge = () => {
    if (installer.installed) void reporter.acknowledge(installer.installed, 0);
  };
  const leases =
    options.leaseHook &&
    new LeaseKeeper({ hook: options.leaseHook, problems, log, nowSeconds, onProblem: acknowledge });
  const routeSocket = options.routeSocketInSessions ?? paths.routeSocket;
  const relays = new Relays({
    client: {
      server: { url: enrolment.serverUrl, credential: enrolment.credential },
      companionId: enrolment.companionId,
      domain: enrolment.domain,
    },
    runFolder: paths.runFolder,
    folderInSessions: dirname(routeSocket),
  });
  const receiving: Receiving = { installer, keeper, reporter, problems, log, age: basis.age, onReady };

  const instances = options.reportInstances
    ? new InstanceReport({ url: enrolment.serverUrl, credential: enrolment.credential }, log)
    : undefined;

  return {
    installer,
    keeper,
    reporter,
    problems,
    listener,
    watch,
    leases,
    instances,
    async openSockets() {
      await relays.prepare();
      const askProgram = options.askProgram ?? null;
      await writeRouteProgram({ path: paths.routeProgram, socket: routeSocket, programs, askProgram });
      const routeProgram = join(dirname(routeSocket), basename(paths.routeProgram));
      const { sessionProgram = null } = options;
      const answering: Answering = {
        domain: enrolment.domain,
        routeProgram,
        sessionCommand: sessionCommand({ kind: enrolment.kind, routeProgram, routeSocket, sessionProgram }),
        listener,
        connections,
        relays,
        log,
        current: () => basis.forAdmission(),
        onStarted: report,
      };
      const onError = (error: unknown) => logFailure(log, 'error', 'socket.error', error);
      const { principalsOwner, codes } = options;
      const sockets = await openAnsweringSockets({ paths, answering, principalsOwner, onError });
      const [codeListener] = codeListeners;
      if (codes === undefined || codeListener === undefined) return sockets;
      const server = { url: enrolment.serverUrl, credential: enrolment.credential };
      const codeSocket = await openCodeSocket({
        codes,
        answering: { answering, listener: codeListener, server },
        curl: programs.curl,
        runFolderInSessions: dirname(routeSocket),
        onError,
      });
      return { close: async () => void (await Promise.all([sockets.close(), codeSocket.close()])) };
    },
    startFeed() {
      feed = startFeedClient({
        server: { url: enrolment.serverUrl, credential: enrolment.credential },
        installed: () => installer.versions,
        onState: async (state) => {
          await receiveState(receiving, state);
          await leases?.follow(installer.installed?.leases ?? []);
        },
        onConnected: () => {
          report();
          instances?.running();
        },
        onContact: () => {
          basis.age.noteHeard();
          if (problems.has('stale')) {
            watch
              .lookAtAge()
              .catch((error: unknown) => logFailure(log, 'error', 'companion.check_failed', error));
          }
          reporter.onContact();
        },
        log,
        ...options.feed,
      });
      return feed;
    },
  };
}
