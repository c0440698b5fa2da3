/** `sallyport gateway uninstall` and `sallyport host uninstall`: the machine as it was before, and this state gone. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { SallyportError } from '../errors/sallyport-error.ts';
import { undoInstallation } from './change-machine.ts';
import { removePrograms } from './compiled-program.ts';
import { endCodeListener } from './install-codes.ts';
import { changedByOthers, readInstallation } from './installation.ts';
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

/** @throws file_refused if somebody changed a file of ours since; then nothing at all is undone */
export async function uninstall({ kind, machine, tell }: UninstallOptions): Promise<void> {
  const installation = await readInstallation(installationFile(machine));
  const wasInstalled = installation !== undefined;
  const { stateFolder, runFolder } = pathsOf(machine);
  if (!wasInstalled && !existsSync(stateFolder)) {
    tell(`There is no ${kind} on this machine.`);
    return;
  }
  refuseOver(kind, wasInstalled ? await changedByOthers(installation) : []);
  // Before its PAM service goes: without one PAM would ask that of all others, and people for their passwords.
  endCodeListener(machine);
  refuseOver(kind, await undoInstallation(machine, tell));
  // sshd must no longer point at the files before they go.
  if (wasInstalled) createSshdListener(machine.sshdPidFile).reload();
  if (kind === 'gateway' && wasInstalled) await writeNames(machine.extrausers, nameFiles([]));
  await rm(runFolder, { recursive: true, force: true });
  await rm(stateFolder, { recursive: true, force: true });
  // Of an installation that failed; where sshd has our configuration they are the other kind's.
  if (!wasInstalled && !existsSync(machine.dropIn)) await removePrograms(machine.programFolder);
  tell(`Removed ${stateFolder} and ${runFolder}. Revoke this ${kind} at the server too.`);
}

/** @throws file_refused */
function refuseOver(kind: UninstallOptions['kind'], left: readonly string[]): void {
  if (left.length === 0) return;
  throw new SallyportError(
    'file_refused',
    `Somebody changed ${left.join(' and ')} after the installation, so that was left as it is. Move it away, then run again: sallyport ${kind} uninstall`,
  );
}
