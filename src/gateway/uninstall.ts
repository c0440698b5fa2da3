/** `sallyport gateway uninstall` and `sallyport host uninstall`: the machine as it was before, and this state gone. */
import { rm } from 'node:fs/promises';
import { SallyportError } from '../errors/sallyport-error.ts';
import { undoInstallation } from './change-machine.ts';
import { endCodeListener } from './install-codes.ts';
import { readInstallation } from './installation.ts';
import { type Machine, pathsOf } from './machine.ts';
import { installationFile } from './machine-sshd.ts';
import { nameFiles } from './names.ts';
import { createSshdListener } from './sshd-listener.ts';
import { writeNames } from './write-names.ts';

export interface UninstallOptions {
  readonly kind: 'gateway' | 'host';
  readonly machine: Machine;
  readonly tell: (line: string) => void;
}

/** @throws file_refused if somebody changed a file since; then nothing of our own state is removed */
export async function uninstall({ kind, machine, tell }: UninstallOptions): Promise<void> {
  const wasInstalled = (await readInstallation(installationFile(machine))) !== undefined;
  // Before its PAM service goes: without one PAM would ask that of all others, and people for their passwords.
  endCodeListener(machine);
  const left = await undoInstallation(machine, tell);
  if (left.length > 0) {
    throw new SallyportError(
      'file_refused',
      `Somebody changed ${left.join(' and ')} after the installation, so that was left as it is; the other files are undone. Move it away, then run again: sallyport ${kind} uninstall`,
    );
  }
  // sshd must no longer point at the files before they go.
  if (wasInstalled) createSshdListener(machine.sshdPidFile).reload();
  if (kind === 'gateway' && wasInstalled) await writeNames(machine.extrausers, nameFiles([]));
  const { stateFolder, runFolder } = pathsOf(machine);
  await rm(runFolder, { recursive: true, force: true });
  await rm(stateFolder, { recursive: true, force: true });
  tell(`Removed ${stateFolder} and ${runFolder}. Revoke this ${kind} at the server too.`);
}
