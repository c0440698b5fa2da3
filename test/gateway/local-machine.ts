/**
 * A gateway or a host on this very machine, whole: enrolled, its companion running, its sshd started. As root with
 * libnss-extrausers people log in by target name; as an ordinary user everybody logs in as that user.
 */
import { chmod, chown, mkdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import {
  type Bind,
  inNamespace,
  type MountNamespace,
  writeNsswitch,
} from '../../src/dev/local-sshd-namespace.ts';
import { ensurePrivateFolder } from '../../src/files/write-file.ts';
import { askProgramIn, installAskProgram } from '../../src/gateway/ask-program.ts';
import { type Companion, createCompanion } from '../../src/gateway/companion.ts';
import type { CompanionOptions } from '../../src/gateway/companion-options.ts';
import { enrol } from '../../src/gateway/enrol.ts';
import { type Enrolment, readEnrolment } from '../../src/gateway/enrolment.ts';
import { waitForFirstState } from '../../src/gateway/first-state.ts';
import type { Log } from '../../src/gateway/log.ts';
import { type GeneratedUser, nameFiles } from '../../src/gateway/names.ts';
import { type CompanionPaths, companionPaths } from '../../src/gateway/paths.ts';
import { opensshVersion, type Programs } from '../../src/gateway/programs.ts';
import { installSessionProgram, sessionProgramIn } from '../../src/gateway/session-program.ts';
import { type SshdConfigurationOptions, sshdConfiguration } from '../../src/gateway/sshd-configuration.ts';
import type { SshdFiles } from '../../src/gateway/sshd-files.ts';
import { writeNames } from '../../src/gateway/write-names.ts';

export interface LocalMachineOptions {
  readonly kind: 'gateway' | 'host';
  /** Kept between starts. */
  readonly folder: string;
  /** For the sockets, where `folder` is too deep or oddly named for them; default: `run` in `folder`. */
  readonly runFolder?: string;
  readonly address: string;
  readonly port: number;
  readonly serverUrl: string;
  /** Asked only where the folder is not enrolled yet. */
  readonly token: () => Promise<string>;
  readonly programs: Programs;
  readonly clock: () => Date;
  readonly log: Log;
  /** 'target-names' needs canGenerateNames(); 'own-login' lets everybody in as this user. */
  readonly names: LocalNames;
  /** Hosts with generated names: the login of the instances. */
  readonly login?: string;
  /** A machine that also runs everything else is slower to answer than a gateway of its own. */
  readonly answerSeconds?: number;
  /** What sshd's configuration opens, for policy to narrow. */
  readonly forwarding?: Pick<
    SshdConfigurationOptions,
    'remoteForwarding' | 'agentForwarding' | 'registeredKeys'
  >;
  readonly companion?: Pick<
    CompanionOptions,
    'intervals' | 'feed' | 'failClosed' | 'maximumStalenessSeconds' | 'whenStale' | 'codes' | 'logProgram'
  >;
  /** sshd asks with the compiled program, which lies in the run folder. Needs target names and a compiler. */
  readonly compiledQuestion?: boolean;
  /** The companion keeps and looks at its sshd's configuration. */
  readonly keepsSshd?: boolean;
  /** For penalties: otherwise this machine itself is exempt from them. */
  readonly penaltyExemptions?: readonly string[];
}

/** How people are named at the sshd. */
export type LocalNames = 'target-names' | 'own-login';

export interface LocalMachine {
  readonly companion: Companion;
  /** With these another companion can take over, after the first was stopped. */
  readonly companionOptions: CompanionOptions;
  readonly sshd: LocalSshd;
  readonly paths: CompanionPaths;
  readonly enrolment: Enrolment;
  stop(): Promise<void>;
}

/** Below where the CA begins to give uids to target names. */
const principalsUser: GeneratedUser = {
  name: 'sallyport-principals',
  uid: 599_999,
  home: inNamespace.empty,
  shell: '/bin/sh',
};
const loginUid = 599_998;
const firstStatePatienceMilliseconds = 15_000;

export async function startLocalMachine(options: LocalMachineOptions): Promise<LocalMachine> {
  const { kind, folder, programs, serverUrl, names, clock, log, address, port } = options;
  await ensurePrivateFolder(folder);
  const paths = companionPaths(join(folder, 'state'), options.runFolder ?? join(folder, 'run'));
  const enrolled =
    (await readEnrolment(paths.enrolment)) ??
    (await enrol({ paths, serverUrl, token: await options.token(), sshKeygen: programs.sshKeygen, kind }));
  // The same server may listen on another port today.
  const enrolment = { ...enrolled, serverUrl };

  const pidFile = join(folder, 'sshd.pid');
  const isGenerated = names === 'target-names';
  const namesFolder = join(folder, 'names');
  const companionOptions: CompanionOptions = {
    paths,
    enrolment,
    programs,
    clock,
    log,
    sshdPidFile: pidFile,
    askProgram: options.compiledQuestion
      ? askProgramIn(isGenerated ? inNamespace.run : paths.runFolder)
      : null,
    sessionProgram: options.compiledQuestion
      ? sessionProgramIn(isGenerated ? inNamespace.run : paths.runFolder)
      : null,
    ...(isGenerated ? generatedOptions(kind, namesFolder) : {}),
    opensLoopback: true,
    ...options.companion,
    ...(options.keepsSshd ? { sshdFiles: await sshdFilesFor(options, paths) } : {}),
  };
  const companion = createCompanion(companionOptions);
  const namespace = isGenerated ? await prepareNamespace(options, paths, namesFolder) : undefined;
  await companion.start();
  try {
    await waitForFirstState(companion, firstStatePatienceMilliseconds);
    const configuration = sshdConfiguration({
      ...(await configurationOptions(options, paths)),
      ...options.forwarding,
    });
    const sshd = await startLocalSshd({
      folder: join(folder, 'sshd'),
      sshd: programs.sshd,
      address,
      port,
      configuration,
      ...(namespace ? { namespace } : {}),
    });
    const stop = async () => {
      await sshd.stop();
      await companion.stop();
    };
    return { companion, companionOptions, sshd, paths, enrolment, stop };
  } catch (error) {
    await companion.stop();
    throw error;
  }
}

/** What the configuration says of this machine, whatever the CA says. */
async function configurationOptions(
  options: LocalMachineOptions,
  paths: CompanionPaths,
): Promise<SshdConfigurationOptions> {
  const { kind, folder, programs, names, address, port, answerSeconds } = options;
  const isGenerated = names === 'target-names';
  const run = isGenerated ? inNamespace.run : paths.runFolder;
  if (options.compiledQuestion) {
    await installAskProgram({ folder: paths.runFolder });
    await installSessionProgram({ folder: paths.runFolder });
  }
  return {
    role: kind,
    paths: { ...paths, principalsSocket: join(run, 'principals.sock') },
    principalsUser: isGenerated ? principalsUser.name : userInfo().username,
    curl: programs.curl,
    askProgram: options.compiledQuestion ? askProgramIn(run) : null,
    version: await opensshVersion(programs.sshd),
    penaltyExemptions: options.penaltyExemptions ?? ['127.0.0.0/8', '::1'],
    whole: { address, port, pidFile: join(folder, 'sshd.pid'), usePam: false },
    ...(answerSeconds === undefined ? {} : { answerSeconds }),
  };
}

async function sshdFilesFor(options: LocalMachineOptions, paths: CompanionPaths): Promise<SshdFiles> {
  const main = join(options.folder, 'sshd/sshd_config');
  return {
    sshd: options.programs.sshd,
    main,
    ours: main,
    recordFile: null,
    options: await configurationOptions(options, paths),
    accepted: [],
  };
}

function generatedOptions(
  kind: 'gateway' | 'host',
  namesFolder: string,
): Pick<CompanionOptions, 'names' | 'principalsOwner' | 'routeSocketInSessions'> {
  return {
    principalsOwner: { uid: principalsUser.uid, gid: principalsUser.uid },
    routeSocketInSessions: join(inNamespace.run, 'route.sock'),
    ...(kind === 'gateway'
      ? { names: { folder: namesFolder, home: inNamespace.empty, others: [principalsUser] } }
      : {}),
  };
}

/** The folders that the namespace shows, made before anything can be mounted. */
async function prepareNamespace(
  { folder, kind, login }: LocalMachineOptions,
  paths: CompanionPaths,
  namesFolder: string,
): Promise<MountNamespace> {
  const nsswitch = join(folder, 'nsswitch.conf');
  await writeNsswitch(nsswitch);
  await openFolder(namesFolder, 0o755);
  await openFolder(paths.runFolder, 0o711);
  const binds: Bind[] = [
    { from: nsswitch, to: inNamespace.nsswitch },
    { from: namesFolder, to: inNamespace.extrausers },
    { from: paths.runFolder, to: inNamespace.run },
  ];
  if (kind === 'gateway') {
    // The companion fills it with the targets' names once it knows them.
    await writeNames(namesFolder, nameFiles([principalsUser]));
    return { binds };
  }
  const users = [principalsUser];
  if (login !== undefined) {
    const home = join(folder, 'home');
    await openFolder(home, 0o700);
    await chown(home, loginUid, loginUid);
    const homeInside = join(inNamespace.home, login);
    users.push({ name: login, uid: loginUid, home: homeInside, shell: '/bin/sh' });
    binds.push({ from: home, to: homeInside });
  }
  await writeNames(namesFolder, nameFiles(users));
  return { binds };
}

async function openFolder(folder: string, mode: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, mode);
}
