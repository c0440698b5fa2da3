/**
 * Where a companion keeps its files. The state folder belongs to the companion alone; the run folder is one that the
 * sessions of sshd may enter, because the command of a refusal talks to a socket in it.
 */
import { join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface CompanionPaths {
  readonly stateFolder: string;
  /** id, credential, server and pinned CA keys; 0600 */
  readonly enrolment: string;
  /** the last good state and the highest versions seen; 0600 */
  readonly state: string;
  readonly hostKey: string;
  readonly hostCertificate: string;
  readonly userAuthorities: string;
  readonly revokedKeys: string;
  /** One certificate per CA key: ssh-keygen -Q reads only the first of a file. */
  readonly canaries: string;
  readonly runFolder: string;
  readonly principalsSocket: string;
  readonly routeSocket: string;
  /** The command of a connection: a script for sh that asks route.sock. Every session may read it. */
  readonly routeProgram: string;
  /** One file per connection; 0700 */
  readonly connections: string;
  /** What the companion that runs says of itself, for `status`; 0600 */
  readonly report: string;
}

/** What a socket's path may hold: it stands in an sshd configuration and in key options, where quoting is not ours. */
const plainPath = /^\/[A-Za-z0-9._/@+-]*$/;
/** sockaddr_un of Linux: 108 bytes with the NUL at its end. */
const longestSocketPath = 107;

/** @throws settings_invalid if the sockets' paths could not be used */
export function companionPaths(stateFolder: string, runFolder: string): CompanionPaths {
  const paths = {
    stateFolder,
    enrolment: join(stateFolder, 'companion.json'),
    state: join(stateFolder, 'state.json'),
    hostKey: join(stateFolder, 'host_key'),
    hostCertificate: join(stateFolder, 'host_key-cert.pub'),
    userAuthorities: join(stateFolder, 'user_ca.pub'),
    revokedKeys: join(stateFolder, 'revoked_keys'),
    canaries: join(stateFolder, 'canaries'),
    runFolder,
    principalsSocket: join(runFolder, 'principals.sock'),
    routeSocket: join(runFolder, 'route.sock'),
    routeProgram: join(runFolder, 'route'),
    connections: join(runFolder, 'connections'),
    report: join(runFolder, 'report.json'),
  };
  checkSocketPath(paths.principalsSocket);
  checkSocketPath(paths.routeSocket);
  return paths;
}

/** Held by the companion that runs. */
export function lockFile({ runFolder }: CompanionPaths): string {
  return join(runFolder, 'lock');
}

/** @throws settings_invalid */
export function checkSocketPath(path: string): void {
  if (plainPath.test(path) && Buffer.byteLength(path) <= longestSocketPath) return;
  throw new SallyportError(
    'settings_invalid',
    `The socket ${path} can't be used: its path must be absolute, at most ${longestSocketPath} bytes, and of letters, digits and . _ / @ + - only. Choose another run folder.`,
  );
}
