/** What an installation changes on a machine: the record first, then the files; back to the start if anything goes wrong. */
import { rm } from 'node:fs/promises';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { writeFileAtomically } from '../files/write-file.ts';
import { removePrograms } from './compiled-program.ts';
import {
  applyChange,
  type ChangedFile,
  type FileChange,
  type Installation,
  type InstallationSettings,
  planChange,
  readIfThere,
  readInstallation,
  undoChange,
  writeInstallation,
} from './installation.ts';
import type { Machine } from './machine.ts';
import { installationFile } from './machine-sshd.ts';
import { createSystemUser, findUser, removeUser } from './machine-users.ts';
import type { Programs } from './programs.ts';
import { acceptedBySshd, requireInForce } from './sshd-candidate.ts';
import { createSshdListener } from './sshd-listener.ts';

export interface MachineChange {
  readonly kind: 'gateway' | 'host';
  readonly machine: Machine;
  readonly programs: Programs;
  readonly settings: InstallationSettings;
  readonly tell: (line: string) => void;
}

/** @throws install_failed, file_refused; then the machine is as it was */
export async function changeMachine(change: MachineChange, wanted: readonly FileChange[]): Promise<void> {
  const { kind, machine, settings, tell } = change;
  const recordFile = installationFile(machine);
  const earlier = await readInstallation(recordFile);
  const files = await Promise.all(
    wanted.map((one) =>
      planChange(
        one,
        earlier?.files.find(({ path }) => path === one.path),
      ),
    ),
  );
  const present = await Promise.all(wanted.map(({ path }) => readIfThere(path)));
  const needsUser = kind === 'host' && (await findUser(machine.principalsUser)) === undefined;
  const createdUser = earlier?.createdUser ?? (needsUser ? machine.principalsUser : null);
  try {
    await writeInstallation(recordFile, { format: 1, files, createdUser, settings });
    await carryOut(change, files, needsUser);
  } catch (error) {
    await (earlier ? putBack(recordFile, earlier, files, present) : undoInstallation(machine, tell));
    throw asFailure(error);
  }
  if (!settings.keepAuthorizedKeys) {
    tell('From now on nobody logs in here with authorized_keys or a password, only with certificates.');
  }
  if (!createSshdListener(machine.sshdPidFile).reload()) {
    tell(
      `sshd does not run (no listener in ${machine.sshdPidFile}); it reads the new configuration when it starts.`,
    );
  }
}

async function carryOut(
  { machine, programs, tell }: MachineChange,
  files: readonly ChangedFile[],
  needsUser: boolean,
): Promise<void> {
  if (needsUser) {
    tell(`Creates the system user ${machine.principalsUser}, which asks the companion for sshd.`);
    await createSystemUser(machine.principalsUser);
  }
  for (const file of files) {
    tell(`Writes ${file.path}${file.before === null ? '' : ' (its former content is kept)'}.`);
    await applyChange(file);
  }
  await acceptedBySshd(programs.sshd, machine.sshdConfiguration);
  const ours = files.find(({ path }) => path === machine.dropIn);
  const text = Buffer.from(ours?.after ?? '', 'base64').toString('utf8');
  await requireInForce(programs.sshd, machine.sshdConfiguration, text);
}

/** Takes back what `changeMachine` recorded. @returns files that somebody changed since, which were left alone */
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
  if (left.length > 0) return left;
  await rm(recordFile, { force: true });
  await removePrograms(machine.programFolder);
  return left;
}

/** An installation over another one failed: the earlier one goes on. */
async function putBack(
  recordFile: string,
  earlier: Installation,
  files: readonly ChangedFile[],
  present: readonly (Buffer | undefined)[],
): Promise<void> {
  for (const [index, { path, mode }] of files.entries()) {
    const bytes = present[index];
    if (bytes === undefined) await rm(path, { force: true });
    else if (!(await readIfThere(path))?.equals(bytes)) await writeFileAtomically(path, bytes, { mode });
  }
  await writeInstallation(recordFile, earlier);
}

function asFailure(error: unknown): unknown {
  if (isSallyportError(error) || !(error instanceof Error)) return error;
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  const why = code === 'ENOSPC' ? 'the disk is full' : error.message;
  return new SallyportError('install_failed', `The machine could not be changed, and is as it was: ${why}.`, {
    cause: error,
  });
}
