/** The sshd of a real machine as its installation left it: what its companion keeps up to date and looks at. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Enrolment } from './enrolment.ts';
import type { InstallationSettings } from './installation.ts';
import { type Machine, pathsOf } from './machine.ts';
import { opensshVersion, type Programs } from './programs.ts';
import type { SshdFiles } from './sshd-files.ts';

/** Where the record of the installation stands. */
export function installationFile({ stateFolder }: Pick<Machine, 'stateFolder'>): string {
  return join(stateFolder, 'installation.json');
}

export async function sshdFilesOf(
  machine: Machine,
  programs: Programs,
  enrolment: Pick<Enrolment, 'kind' | 'hostKey'>,
  settings: InstallationSettings,
): Promise<SshdFiles> {
  const { kind } = enrolment;
  const paths = pathsOf(machine, enrolment);
  return {
    sshd: programs.sshd,
    main: machine.sshdConfiguration,
    ours: machine.dropIn,
    recordFile: installationFile(machine),
    accepted: settings.accepted,
    options: {
      role: kind,
      paths,
      principalsUser: machine.principalsUser,
      curl: programs.curl,
      askProgram: settings.askProgram,
      version: await opensshVersion(programs.sshd),
      penaltyExemptions: settings.penaltyExemptions,
      keepAuthorizedKeys: settings.keepAuthorizedKeys,
      rootLogin: kind === 'host' ? 'prohibit-password' : 'no',
      otherHostKeys: hostKeysOf(machine).filter((key) => key !== paths.hostKey),
    },
  };
}

function hostKeysOf({ hostKeyFolder }: Machine): string[] {
  return readdirSync(hostKeyFolder)
    .filter((name) => /^ssh_host_[a-z0-9]+_key$/.test(name))
    .map((name) => join(hostKeyFolder, name));
}
