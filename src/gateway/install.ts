/**
 * `sallyport gateway install` and `sallyport host install`: makes a machine with a stock sshd a gateway or a host.
 * Nothing of the machine is replaced before sshd itself has read and accepted the new configuration, and everything
 * that is changed is told, recorded and can be undone.
 */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder, writeFileAtomically } from '../files/write-file.ts';
import { createCompanion } from './companion.ts';
import { enrol } from './enrol.ts';
import { type Enrolment, readEnrolment } from './enrolment.ts';
import { waitForFirstState } from './first-state.ts';
import {
  applyChange,
  type FileChange,
  planChange,
  readInstallation,
  undoChange,
  writeInstallation,
} from './installation.ts';
import type { Log } from './log.ts';
import { type Machine, pathsOf } from './machine.ts';
import { createSystemUser, findUser, removeUser } from './machine-users.ts';
import { keywordsInMatchBlocks } from './match-blocks.ts';
import { type GeneratedUser, nameFiles } from './names.ts';
import { withExtrausers } from './nsswitch.ts';
import { opensshVersion, type Programs } from './programs.ts';
import { runProgram } from './run-program.ts';
import { sshdConfiguration } from './sshd-configuration.ts';
import { createSshdListener } from './sshd-listener.ts';
import { writeNames } from './write-names.ts';

export interface InstallOptions {
  readonly kind: 'gateway' | 'host';
  readonly machine: Machine;
  readonly programs: Programs;
  readonly serverUrl: string;
  /** Asked only where the machine is not enrolled yet. */
  readonly token: () => Promise<string>;
  readonly keepAuthorizedKeys: boolean;
  readonly penaltyExemptions: readonly string[];
  readonly clock: () => Date;
  readonly log: Log;
  /** Tells the person what is done, line by line. */
  readonly tell: (line: string) => void;
}

const extrausersLibraries = ['/usr/lib', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/lib'];
/** Below the uids that the CA gives to target names. */
const principalsUid = 599_999;
const firstStatePatienceMilliseconds = 30_000;

/** Where the record of the installation stands. */
export function installationFile({ stateFolder }: Machine): string {
  return join(stateFolder, 'installation.json');
}

/** The user that asks principals.sock, among a gateway's generated names. */
export function generatedPrincipalsUser({ principalsUser, emptyHome }: Machine): GeneratedUser {
  return { name: principalsUser, uid: principalsUid, home: emptyHome, shell: '/bin/sh' };
}

/** @throws program_missing, enrolment_refused, install_failed; then the machine is as it was */
export async function install(options: InstallOptions): Promise<void> {
  const { kind, machine, programs, serverUrl, tell } = options;
  const paths = pathsOf(machine);
  await ensurePrivateFolder(machine.stateFolder);
  const recordFile = installationFile(machine);
  if (await readInstallation(recordFile)) {
    throw new SallyportError(
      'install_failed',
      `A ${kind} is installed here already. To install it anew run first: sallyport ${kind} uninstall`,
    );
  }
  if (existsSync(machine.dropIn)) {
    throw new SallyportError(
      'install_failed',
      `${machine.dropIn} is there already. Is this machine a ${kind === 'host' ? 'gateway' : 'host'}? One sshd can be one of the two; uninstall the other first.`,
    );
  }
  if (kind === 'gateway') await checkExtrausers(machine);

  const enrolled =
    (await readEnrolment(paths.enrolment)) ??
    (await enrol({ paths, serverUrl, token: await options.token(), sshKeygen: programs.sshKeygen, kind }));
  tell(`Enrolled as ${enrolled.kind} ${enrolled.name} at ${enrolled.serverUrl}.`);
  await fetchFirstState(options, enrolled);
  tell(`Wrote CA keys, KRL and host certificate to ${machine.stateFolder}.`);

  const configuration = sshdConfiguration({
    role: kind,
    paths,
    principalsUser: machine.principalsUser,
    curl: programs.curl,
    version: await opensshVersion(programs.sshd),
    penaltyExemptions: options.penaltyExemptions,
    keepAuthorizedKeys: options.keepAuthorizedKeys,
    rootLogin: kind === 'host' ? 'prohibit-password' : 'no',
    otherHostKeys: hostKeysOf(machine),
  });
  await checkConfiguration(options, configuration);
  await change(options, recordFile, configuration, [
    { path: machine.dropIn, contents: configuration, mode: 0o644 },
    ...(kind === 'gateway'
      ? [
          {
            path: machine.nsswitch,
            contents: withExtrausers(await readFile(machine.nsswitch, 'utf8')),
            mode: 0o644,
          },
        ]
      : []),
  ]);
  await tellExceptions(options);
  tell(`To undo all of this run: sallyport ${kind} uninstall`);
  tell(`Now start the companion, and keep it running: sallyport ${kind} run`);
}

/** The record first, then the changes; back to the start if one of them, or sshd's opinion of all, is bad. */
async function change(
  { kind, machine, programs, tell, keepAuthorizedKeys }: InstallOptions,
  recordFile: string,
  configuration: string,
  wanted: readonly FileChange[],
): Promise<void> {
  const files = await Promise.all(wanted.map(planChange));
  const needsUser = kind === 'host' && (await findUser(machine.principalsUser)) === undefined;
  const createdUser = needsUser ? machine.principalsUser : null;
  await writeInstallation(recordFile, { format: 1, files, createdUser });
  try {
    if (createdUser) {
      tell(`Creates the system user ${createdUser}, which asks the companion for sshd.`);
      await createSystemUser(createdUser);
    }
    for (const file of files) {
      tell(`Writes ${file.path}${file.before === null ? '' : ' (its former content is kept)'}.`);
      await applyChange(file);
    }
    await must(programs.sshd, ['-t', '-f', machine.sshdConfiguration]);
    // The machine's file may include the drop-in behind lines of its own, which then count instead of ours.
    await checkEffective(programs.sshd, machine.sshdConfiguration, configuration);
  } catch (error) {
    await undoInstallation(machine, tell);
    throw error;
  }
  if (!keepAuthorizedKeys) {
    tell('From now on nobody logs in here with authorized_keys or a password, only with certificates.');
  }
  if (!createSshdListener(machine.sshdPidFile).reload()) {
    tell(
      `sshd does not run (no listener in ${machine.sshdPidFile}); it reads the new configuration when it starts.`,
    );
  }
}

/** Takes back what `change` recorded. @returns files that somebody changed since, which were left alone */
export async function undoInstallation(
  machine: Machine,
  tell: (line: string) => void,
): Promise<readonly string[]> {
  const recordFile = installationFile(machine);
  const installation = await readInstallation(recordFile);
  if (installation === undefined) return [];
  const left: string[] = [];
  for (const file of installation.files.toReversed()) {
    if (await undoChange(file)) tell(`Restored ${file.path}.`);
    else left.push(file.path);
  }
  if (installation.createdUser && (await findUser(installation.createdUser))) {
    await removeUser(installation.createdUser);
    tell(`Removed the system user ${installation.createdUser}.`);
  }
  // Last: with files left alone the record is still needed.
  if (left.length === 0) await rm(recordFile, { force: true });
  return left;
}

/** sshd reads the drop-in before the machine's own file, as it will be, but from a place that nobody uses. */
async function checkConfiguration({ machine, programs, kind }: InstallOptions, text: string): Promise<void> {
  const candidate = join(machine.stateFolder, 'candidate.conf');
  const whole = join(machine.stateFolder, 'candidate-whole.conf');
  await writeFileAtomically(candidate, text, { mode: 0o600 });
  const lines = [`Include ${candidate}`, `Include ${machine.sshdConfiguration}`];
  await writeFileAtomically(whole, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  const main = await readFile(machine.sshdConfiguration, 'utf8');
  if (!/^\s*Include\s+.*sshd_config\.d/im.test(main) && !main.includes(machine.dropIn)) {
    throw new SallyportError(
      'install_failed',
      `${machine.sshdConfiguration} includes no drop-ins. Put this line at its top and install again: Include ${machine.dropIn}\nThen run: sallyport ${kind} install`,
    );
  }
  await must(programs.sshd, ['-t', '-f', whole]);
  await checkEffective(programs.sshd, whole, text);
}

/** Keywords whose value must be ours, whatever else the machine's files say. */
const decisive = [
  'TrustedUserCAKeys',
  'RevokedKeys',
  'AuthenticationMethods',
  'PasswordAuthentication',
  'KbdInteractiveAuthentication',
  'HostbasedAuthentication',
  'AuthorizedKeysFile',
  'AuthorizedKeysCommand',
  'AuthorizedPrincipalsCommand',
  'AuthorizedPrincipalsCommandUser',
  'AuthorizedPrincipalsFile',
  'PermitEmptyPasswords',
  'PermitUserEnvironment',
  'AllowTcpForwarding',
  'AllowStreamLocalForwarding',
  'GatewayPorts',
  'PermitTunnel',
];

/** A line that sshd reads is not yet one that counts: asks sshd what it makes of all files together. */
async function checkEffective(sshd: string, whole: string, text: string): Promise<void> {
  const { stdout } = await runProgram(sshd, ['-T', '-f', whole]);
  const effective = new Set(
    stdout.split('\n').map((line) => line.replace(/^\S+/, (word) => word.toLowerCase())),
  );
  const overruled = text
    .split('\n')
    .filter((line) => decisive.some((keyword) => line.startsWith(`${keyword} `)))
    // sshd prints paths without the quotes that it reads them with.
    .map((line) => line.replace(/ "(\/[^"]*)"$/, ' $1'))
    .filter((line) => !effective.has(line.replace(/^\S+/, (word) => word.toLowerCase())))
    .map((line) => line.slice(0, line.indexOf(' ')));
  if (overruled.length === 0) return;
  throw new SallyportError(
    'install_failed',
    `The machine's own sshd configuration overrules ${overruled.join(', ')}. Remove these lines there and install again; nothing is changed.`,
  );
}

/** Match blocks may be wanted, a way in for emergencies for example. Nobody should take them for closed. */
async function tellExceptions({ machine, keepAuthorizedKeys, tell }: InstallOptions): Promise<void> {
  const folder = dirname(machine.dropIn);
  const dropIns = (await readdir(folder))
    .filter((name) => name.endsWith('.conf'))
    .map((name) => join(folder, name));
  for (const path of [machine.sshdConfiguration, ...dropIns]) {
    const found = keywordsInMatchBlocks(
      await readFile(path, 'utf8'),
      decisive.filter((keyword) => !(keepAuthorizedKeys && keyword.startsWith('AuthorizedKeys'))),
    );
    if (found.length === 0) continue;
    tell(
      `Attention: Match blocks of ${path} overrule ${found.join(', ')} for whom they match. Are these still wanted?`,
    );
  }
}

async function checkExtrausers({ extrausers, emptyHome, principalsUser }: Machine): Promise<void> {
  if (!extrausersLibraries.some((folder) => existsSync(join(folder, 'libnss_extrausers.so.2')))) {
    throw new SallyportError(
      'program_missing',
      'libnss-extrausers is missing, which gives target names to sshd: apt-get install libnss-extrausers',
    );
  }
  const passwd = await readFile(join(extrausers, 'passwd'), 'utf8').catch(() => '');
  if (passwd.trim() !== '' && !passwd.startsWith(`${principalsUser}:`)) {
    throw new SallyportError(
      'install_failed',
      `${extrausers}/passwd holds names that are not of sallyport. A gateway needs that folder for itself.`,
    );
  }
  await mkdir(extrausers, { recursive: true, mode: 0o755 });
  await mkdir(emptyHome, { recursive: true, mode: 0o755 });
}

/** A companion that runs until the first state is installed. */
async function fetchFirstState(
  { kind, machine, programs, clock, log }: InstallOptions,
  enrolment: Enrolment,
): Promise<void> {
  const others = [generatedPrincipalsUser(machine)];
  if (kind === 'gateway') await writeNames(machine.extrausers, nameFiles(others));
  const companion = createCompanion({
    paths: pathsOf(machine),
    enrolment,
    programs,
    sshdPidFile: machine.sshdPidFile,
    clock,
    log,
    ...(kind === 'gateway' ? { names: { folder: machine.extrausers, home: machine.emptyHome, others } } : {}),
  });
  await companion.start();
  try {
    await waitForFirstState(companion, firstStatePatienceMilliseconds);
  } finally {
    await companion.stop();
  }
}

function hostKeysOf({ hostKeyFolder }: Machine): string[] {
  return readdirSync(hostKeyFolder)
    .filter((name) => /^ssh_host_[a-z0-9]+_key$/.test(name))
    .map((name) => join(hostKeyFolder, name));
}

/** @throws install_failed with what the program said */
async function must(program: string, args: readonly string[]): Promise<void> {
  const { status, stderr } = await runProgram(program, args);
  if (status === 0) return;
  throw new SallyportError(
    'install_failed',
    `sshd refuses the configuration; nothing is changed. It says:\n${stderr.trim()}`,
  );
}
