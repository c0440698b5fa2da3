/**
 * `sallyport gateway install` and `sallyport host install`: makes a machine with a stock sshd a gateway or a host, and brings
 * one that is one already up to date. Nothing of the machine is replaced before sshd itself has read and accepted the new
 * configuration, and everything that is changed is told, recorded and can be undone.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder } from '../files/write-file.ts';
import { installAskProgram } from './ask-program.ts';
import { changeMachine } from './change-machine.ts';
import { exceptionsTo } from './check-drift.ts';
import { createCompanion } from './companion.ts';
import { enrol } from './enrol.ts';
import { type Enrolment, readEnrolment } from './enrolment.ts';
import { waitForFirstState } from './first-state.ts';
import { installedCodes, prepareCodes } from './install-codes.ts';
import { type InstallationSettings, readInstallation } from './installation.ts';
import type { Log } from './log.ts';
import { type Machine, pathsOf } from './machine.ts';
import { installationFile, sshdFilesOf } from './machine-sshd.ts';
import { type GeneratedUser, nameFiles } from './names.ts';
import { withExtrausers } from './nsswitch.ts';
import { installOwnProgram } from './own-program.ts';
import type { Programs } from './programs.ts';
import { readSavedState } from './saved-state.ts';
import { installSessionProgram } from './session-program.ts';
import { checkCandidate } from './sshd-candidate.ts';
import { configurationFor } from './sshd-files.ts';
import { writeNames } from './write-names.ts';

export interface InstallOptions {
  readonly kind: 'gateway' | 'host';
  readonly machine: Machine;
  readonly programs: Programs;
  readonly serverUrl: string;
  /** Asked only where the machine is not enrolled yet, and has no host key to enrol by. */
  readonly token: () => Promise<string>;
  /** Enrol by this host key, whose fingerprint was registered beforehand, and keep using it. */
  readonly hostKey?: { readonly file: string; readonly name: string } | undefined;
  readonly keepAuthorizedKeys: boolean;
  readonly penaltyExemptions: readonly string[];
  /** The compiled programs/ask.c, where it was built elsewhere. */
  readonly askProgram?: string | undefined;
  /** Hosts: the compiled programs/session.c, likewise. */
  readonly sessionProgram?: string | undefined;
  /** The file that runs, where the companion is one file: the machine keeps a copy. */
  readonly ownProgram?: string | undefined;
  /** What the machine's own Match blocks overrule now is wanted. */
  readonly acceptExceptions?: boolean;
  readonly clock: () => Date;
  readonly log: Log;
  /** Tells the person what is done, line by line. */
  readonly tell: (line: string) => void;
  readonly patienceMilliseconds?: number;
  /** Gateways: take one-time codes too. */
  readonly codes?: { readonly port: number | undefined };
}

const extrausersLibraries = ['/usr/lib', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/lib'];
/** Below the uids that the CA gives to target names. */
const principalsUid = 599_999;
const firstStatePatienceMilliseconds = 30_000;

/** The user that asks principals.sock, among a gateway's generated names. */
export function generatedPrincipalsUser({ principalsUser, emptyHome }: Machine): GeneratedUser {
  return { name: principalsUser, uid: principalsUid, home: emptyHome, shell: '/bin/sh' };
}

/** @throws program_missing, enrolment_refused, install_failed, file_refused; then the machine is as it was */
export async function install(options: InstallOptions): Promise<void> {
  const { kind, machine, tell } = options;
  await ensurePrivateFolder(machine.stateFolder);
  const isUpgrade = (await readInstallation(installationFile(machine))) !== undefined;
  if (!isUpgrade && existsSync(machine.dropIn)) {
    throw new SallyportError(
      'install_failed',
      `${machine.dropIn} is there already. Is this machine a ${kind === 'host' ? 'gateway' : 'host'}? One sshd can be one of the two; uninstall the other first.`,
    );
  }
  if (kind === 'gateway') await checkExtrausers(machine);
  const enrolled = await enrolOnce(options);
  tell(`Enrolled as ${enrolled.kind} ${enrolled.name} at ${enrolled.serverUrl}.`);
  await fetchFirstState(options, enrolled);
  tell(`Wrote CA keys, KRL and host certificate to ${machine.stateFolder}.`);
  const command = await keepProgram(options);
  await configure(options, enrolled);
  tell(`To undo all of this run: ${command} ${kind} uninstall`);
  tell(
    isUpgrade
      ? `Restart the companion now, so that the new version runs: ${command} ${kind} run`
      : `Now start the companion, and keep it running: ${command} ${kind} run`,
  );
}

async function enrolOnce(options: InstallOptions): Promise<Enrolment> {
  const { kind, machine, programs, serverUrl, hostKey } = options;
  const paths = pathsOf(machine);
  const existing = await readEnrolment(paths.enrolment);
  if (existing) return existing;
  const proof =
    hostKey === undefined ? { token: await options.token() } : { hostKey: hostKey.file, name: hostKey.name };
  return await enrol({ ...proof, paths, serverUrl, sshKeygen: programs.sshKeygen, kind });
}

/** @returns how it is called from now on */
async function keepProgram({ ownProgram, machine, tell }: InstallOptions): Promise<string> {
  if (ownProgram === undefined) return 'sallyport';
  const path = await installOwnProgram(ownProgram, machine.programFolder);
  tell(`Put this program to ${path}, from where it is to run.`);
  return path;
}

async function installStart({ machine, sessionProgram: given, tell }: InstallOptions): Promise<void> {
  const { path } = await installSessionProgram({ folder: machine.programFolder, given });
  tell(
    path === null
      ? 'sh begins sessions. They take a little longer to begin.'
      : `Built ${path}, which begins sessions.`,
  );
}

async function configure(options: InstallOptions, enrolled: Enrolment): Promise<void> {
  const { kind, machine, programs, tell } = options;
  const ask = await installAskProgram({ folder: machine.programFolder, given: options.askProgram });
  tell(
    ask.path === null
      ? `sh and curl ask the companion for sshd: ${ask.why}. Logins take a little longer.`
      : `Built ${ask.path}, which asks the companion for sshd.`,
  );
  if (kind === 'host') await installStart(options);
  const settings: InstallationSettings = {
    keepAuthorizedKeys: options.keepAuthorizedKeys,
    penaltyExemptions: [...options.penaltyExemptions],
    askProgram: ask.path,
    accepted: [],
  };
  const files = await sshdFilesOf(machine, programs, enrolled, settings);
  const saved = await readSavedState(pathsOf(machine).state);
  const configuration = configurationFor(files, saved?.state);
  await checkCandidate({ files, folder: machine.stateFolder, kind }, configuration);
  const exceptions = await exceptionsTo(files, configuration);
  const takesCodes = options.codes !== undefined || installedCodes(machine) !== undefined;
  const codeFiles = takesCodes
    ? await prepareCodes({ machine, programs, enrolled, port: options.codes?.port, tell })
    : [];
  await changeMachine(
    {
      kind,
      machine,
      programs,
      tell,
      settings: { ...settings, accepted: options.acceptExceptions ? [...exceptions] : [] },
    },
    [
      { path: machine.dropIn, contents: configuration, isOurs: true, mode: 0o644 },
      ...(kind === 'gateway'
        ? [
            {
              path: machine.nsswitch,
              contents: withExtrausers(await readFile(machine.nsswitch, 'utf8')),
              isOurs: false,
              mode: 0o644,
            },
          ]
        : []),
      ...codeFiles,
    ],
  );
  for (const one of exceptions) {
    tell(
      `Attention: ${one}, for whom it matches.${options.acceptExceptions ? ' Accepted.' : ` Remove it; or, if it is wanted, accept it: sallyport ${kind} install --accept-exceptions`}`,
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

/** A companion that runs until the first state is installed; where one runs already, that one has done it. */
async function fetchFirstState(options: InstallOptions, enrolment: Enrolment): Promise<void> {
  const { kind, machine, programs, clock, log } = options;
  const paths = pathsOf(machine, enrolment);
  const others = [generatedPrincipalsUser(machine)];
  // Afterwards they are written with the targets' names, perhaps by a companion that runs.
  if (kind === 'gateway' && !(await readSavedState(paths.state))) {
    await writeNames(machine.extrausers, nameFiles(others));
  }
  const companion = createCompanion({
    paths,
    enrolment,
    programs,
    sshdPidFile: machine.sshdPidFile,
    clock,
    log,
    ...(kind === 'gateway' ? { names: { folder: machine.extrausers, home: machine.emptyHome, others } } : {}),
  });
  try {
    await companion.start();
  } catch (error) {
    // The one that runs has installed a state already, or waits for it as this one would.
    if (isSallyportError(error) && error.code === 'in_use' && (await readSavedState(paths.state))) return;
    throw error;
  }
  try {
    await waitForFirstState(companion, options.patienceMilliseconds ?? firstStatePatienceMilliseconds);
  } finally {
    await companion.stop();
  }
}
