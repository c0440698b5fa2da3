/** What sshd runs for every session (`command=` in authorized_keys of sshd(8)): words that need no quoting. */
import { checkSocketPath } from './paths.ts';
import { isProgram } from './programs.ts';

export interface SessionCommandOptions {
  readonly kind: 'gateway' | 'host';
  /** These as the sessions see them. */
  readonly routeProgram: string;
  readonly routeSocket: string;
  readonly sessionProgram: string | null;
}

const sftpServers = [
  '/usr/lib/openssh/sftp-server',
  '/usr/libexec/openssh/sftp-server',
  '/usr/libexec/sftp-server',
  '/usr/lib/ssh/sftp-server',
];

export function findSftpServer(): string | undefined {
  return sftpServers.find(isProgram);
}

/** A ticket follows. Gateways relay and draw menus, which the script alone does. @throws settings_invalid */
export function sessionCommand(options: SessionCommandOptions): readonly string[] {
  const { kind, routeProgram, routeSocket, sessionProgram } = options;
  if (kind === 'gateway' || sessionProgram === null) {
    checkSocketPath(routeProgram);
    return ['/bin/sh', routeProgram];
  }
  checkSocketPath(sessionProgram);
  checkSocketPath(routeSocket);
  return [sessionProgram, routeSocket, findSftpServer() ?? '-'];
}
