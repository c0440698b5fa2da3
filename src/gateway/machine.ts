/** The places on a real machine that an installation reads or writes; tests give others. */
import { join } from 'node:path';
import type { Enrolment } from './enrolment.ts';
import { type CompanionPaths, companionPaths } from './paths.ts';

export interface Machine {
  readonly sshdConfiguration: string;
  readonly dropIn: string;
  readonly sshdPidFile: string;
  readonly hostKeyFolder: string;
  readonly nsswitch: string;
  readonly extrausers: string;
  readonly emptyHome: string;
  readonly stateFolder: string;
  readonly runFolder: string;
  /** Of root, where everybody may look: what sshd runs itself. */
  readonly programFolder: string;
  /** The AuthorizedPrincipalsCommandUser. */
  readonly principalsUser: string;
}

export function realMachine(kind: 'gateway' | 'host'): Machine {
  return {
    sshdConfiguration: '/etc/ssh/sshd_config',
    // First in the folder: sshd takes the first value of a keyword.
    dropIn: '/etc/ssh/sshd_config.d/00-sallyport.conf',
    sshdPidFile: '/run/sshd.pid',
    hostKeyFolder: '/etc/ssh',
    nsswitch: '/etc/nsswitch.conf',
    extrausers: '/var/lib/extrausers',
    emptyHome: '/var/lib/sallyport-empty',
    stateFolder: join('/var/lib/sallyport', kind),
    runFolder: '/run/sallyport',
    // Not below /run, where Debian lets nothing be run, nor in the state folder, which is closed to sshd's user.
    programFolder: '/var/lib/sallyport-programs',
    principalsUser: 'sallyport-principals',
  };
}

/** @param enrolment of this machine, if it is enrolled: it may have brought its own host key */
export function pathsOf(
  { stateFolder, runFolder }: Machine,
  enrolment?: Pick<Enrolment, 'hostKey'>,
): CompanionPaths {
  const paths = companionPaths(stateFolder, runFolder);
  return enrolment?.hostKey === undefined ? paths : { ...paths, hostKey: enrolment.hostKey };
}
