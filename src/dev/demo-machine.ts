/**
 * A gateway or a target host of the demo: a real sshd on loopback with its companion in this process. As root with
 * libnss-extrausers the sshd knows generated names; otherwise everybody logs in as the user who started the demo.
 */
import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { login } from '../api/common.ts';
import { ensurePrivateFolder } from '../files/write-file.ts';
import { type Companion, createCompanion } from '../gateway/companion.ts';
import { enrol } from '../gateway/enrol.ts';
import { readEnrolment } from '../gateway/enrolment.ts';
import { waitForFirstState } from '../gateway/first-state.ts';
import type { Log } from '../gateway/log.ts';
import { type GeneratedUser, nameFiles } from '../gateway/names.ts';
import { type CompanionPaths, checkSocketPath, companionPaths } from '../gateway/paths.ts';
import { findPrograms, opensshVersion } from '../gateway/programs.ts';
import { sshdConfiguration } from '../gateway/sshd-configuration.ts';
import { writeNames } from '../gateway/write-names.ts';
import { type LocalSshd, startLocalSshd } from './local-sshd.ts';
import {
  type Bind,
  canGenerateNames,
  inNamespace,
  type MountNamespace,
  writeNsswitch,
} from './local-sshd-namespace.ts';

/** How people log in at the demo's machines. */
export type LoginMode =
  | { readonly kind: 'generated-names' }
  /** Everybody as this user: the only one that an ordinary user's sshd lets in. */
  | { readonly kind: 'own-login'; readonly login: string };

export function loginMode(): LoginMode {
  return canGenerateNames() ? { kind: 'generated-names' } : { kind: 'own-login', login: userInfo().username };
}

/** Why there can be no gateway and no target here, whatever is installed; undefined if there can. */
export function whyNoMachines(
  mode: LoginMode,
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  if (platform !== 'linux') return 'they need Linux, because the companion reads /proc.';
  if (mode.kind === 'own-login' && !login.safeParse(mode.login).success) {
    return `everybody would log in as you, and "${mode.login}" is not a login name of small letters, digits, - and _.`;
  }
  return undefined;
}

export interface DemoMachineOptions {
  readonly kind: 'gateway' | 'host';
  readonly folder: string;
  readonly port: number;
  readonly serverUrl: string;
  /** Asked for only if the machine is not enrolled yet. */
  readonly enrolmentToken: () => Promise<string>;
  readonly mode: LoginMode;
  readonly log: Log;
}

export interface DemoMachine {
  readonly companion: Companion;
  readonly sshd: LocalSshd;
  readonly paths: CompanionPaths;
  /** Ends sshd with all its connections, then the companion. */
  stop(): Promise<void>;
}

/** Logins of the demo's targets; their uids are nobody's on a usual machine. Two, so that staging lets into no production. */
export const targetLogin = 'web';
export const stagingLogin = 'staging';
const shell = '/bin/sh';
const targetUsers: readonly GeneratedUser[] = [
  { name: targetLogin, uid: 598_000, home: inNamespace.home, shell },
  { name: stagingLogin, uid: 598_001, home: inNamespace.stagingHome, shell },
];
const principalsUser: GeneratedUser = {
  name: 'sallyport-principals',
  uid: 599_999,
  home: inNamespace.empty,
  shell: '/usr/sbin/nologin',
};
/** Longer than a gateway would wait: the demo shares a laptop with a browser and a build. */
const answerSeconds = 10;
const firstStateMilliseconds = 15_000;

export async function startDemoMachine(options: DemoMachineOptions): Promise<DemoMachine> {
  const { kind, folder, port, serverUrl, mode, log } = options;
  const programs = findPrograms();
  await ensurePrivateFolder(folder);
  const runFolder = await chooseRunFolder(folder);
  const paths = companionPaths(folder, runFolder.path);
  const enrolment =
    (await readEnrolment(paths.enrolment)) ??
    (await enrol({
      paths,
      serverUrl,
      token: await options.enrolmentToken(),
      sshKeygen: programs.sshKeygen,
      kind,
    }));

  const named =
    mode.kind === 'generated-names' ? await prepareNames(folder, kind, runFolder.path) : undefined;
  const pidFile = join(folder, 'sshd.pid');
  const companion = createCompanion({
    opensLoopback: true,
    paths,
    enrolment: { ...enrolment, serverUrl },
    programs,
    sshdPidFile: pidFile,
    clock: () => new Date(),
    log,
    ...(named
      ? {
          principalsOwner: { uid: principalsUser.uid, gid: principalsUser.uid },
          routeSocketInSessions: join(inNamespace.run, 'route.sock'),
        }
      : {}),
    ...(named && kind === 'gateway'
      ? { names: { folder: named.names, home: inNamespace.empty, others: [principalsUser] } }
      : {}),
  });
  try {
    await companion.start();
    await waitForFirstState(companion, firstStateMilliseconds);
    const sshd = await startLocalSshd({
      folder,
      sshd: programs.sshd,
      address: '127.0.0.1',
      port,
      configuration: sshdConfiguration({
        role: kind,
        paths: named ? { ...paths, principalsSocket: join(inNamespace.run, 'principals.sock') } : paths,
        principalsUser: mode.kind === 'own-login' ? mode.login : principalsUser.name,
        curl: programs.curl,
        version: await opensshVersion(programs.sshd),
        answerSeconds,
        rootLogin: mode.kind === 'own-login' && mode.login === 'root' ? 'prohibit-password' : 'no',
        whole: { address: '127.0.0.1', port, pidFile, usePam: false },
      }),
      ...(named ? { namespace: named.namespace } : {}),
    });
    const stop = async () => {
      await sshd.stop();
      await companion.stop();
      await runFolder.remove();
    };
    return { companion, sshd, paths, stop };
  } catch (error) {
    await companion.stop();
    await runFolder.remove();
    throw error;
  }
}

/** In the machine's own folder, or in a short temporary one where its path would be too long for a socket. */
async function chooseRunFolder(folder: string): Promise<{ path: string; remove(): Promise<void> }> {
  const own = join(folder, 'run');
  try {
    checkSocketPath(join(own, 'principals.sock'));
    return { path: own, remove: async () => {} };
  } catch {
    const path = await mkdtemp(join(tmpdir(), 'sallyport-'));
    return { path, remove: () => rm(path, { recursive: true, force: true }) };
  }
}

async function prepareNames(
  folder: string,
  kind: 'gateway' | 'host',
  runFolder: string,
): Promise<{ names: string; namespace: MountNamespace }> {
  const names = join(folder, 'names');
  const nsswitch = join(folder, 'nsswitch.conf');
  await ensurePrivateFolder(names, 0o755);
  await ensurePrivateFolder(runFolder, 0o711);
  await writeNsswitch(nsswitch);
  const users = kind === 'host' ? [principalsUser, ...targetUsers] : [principalsUser];
  await writeNames(names, nameFiles(users));
  const binds: Bind[] = [
    { from: nsswitch, to: inNamespace.nsswitch },
    { from: names, to: inNamespace.extrausers },
    { from: runFolder, to: inNamespace.run },
  ];
  for (const { name, uid, home: to } of kind === 'host' ? targetUsers : []) {
    const from = join(folder, name === targetLogin ? 'home' : `home-of-${name}`);
    await prepareHome(from, uid);
    binds.push({ from, to });
  }
  return { names, namespace: { binds } };
}

async function prepareHome(home: string, uid: number): Promise<void> {
  // The second start finds it owned by the target's user, which ensurePrivateFolder would refuse.
  await mkdir(home, { recursive: true, mode: 0o700 });
  await chown(home, uid, uid);
}
