/** Where the listener for one-time codes keeps its files: among the companion's own, and in the run folder. */
import { join } from 'node:path';
import { type CompanionPaths, checkSocketPath } from './paths.ts';

export interface CodePaths {
  /** In the state folder, private: the listener's configuration, and the name that it runs by. */
  readonly folder: string;
  readonly configuration: string;
  /** A link to sshd: up to OpenSSH 9.7 the name of the program is the name of its PAM service. */
  readonly program: string;
  readonly pidFile: string;
  /** Asked by the hook of PAM, which runs as root; 0600 */
  readonly socket: string;
  /** The hook itself, a script for sh. */
  readonly hook: string;
  /** The forced command of every session there, a script for sh. */
  readonly routeCode: string;
  /** One file per connection, readable for the user whom its sessions run as; nobody else can list or read them. */
  readonly tickets: string;
}

/** PAM's name of the service, at most 15 bytes: the kernel cuts names of programs there. */
export const codeService = 'sallyport-codes';

/** @throws settings_invalid if the socket's path could not be used */
export function codePaths({
  stateFolder,
  runFolder,
}: Pick<CompanionPaths, 'stateFolder' | 'runFolder'>): CodePaths {
  const folder = join(stateFolder, 'codes');
  const paths = {
    folder,
    configuration: join(folder, 'sshd_config'),
    program: join(folder, codeService),
    pidFile: join(runFolder, 'codes-sshd.pid'),
    socket: join(runFolder, 'codes.sock'),
    hook: join(runFolder, 'code-hook'),
    routeCode: join(runFolder, 'route-code'),
    tickets: join(runFolder, 'codes'),
  };
  checkSocketPath(paths.socket);
  checkSocketPath(paths.routeCode);
  return paths;
}
