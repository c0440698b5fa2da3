/**
 * The private mount namespace of a local sshd: what root mounts there is seen by that sshd and its sessions alone, and
 * is gone with the last of them. /srv gets an empty file system, so that folders which lie under somebody's private
 * home have a path that every session can walk.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { writeFileAtomically } from '../files/write-file.ts';

export interface Bind {
  readonly from: string;
  readonly to: string;
}

export interface MountNamespace {
  readonly binds: readonly Bind[];
}

/** Where things lie in the namespace. */
export const inNamespace = {
  run: '/srv/run',
  home: '/srv/home',
  stagingHome: '/srv/staging',
  empty: '/srv/empty',
  extrausers: '/var/lib/extrausers',
  nsswitch: '/etc/nsswitch.conf',
  privilegeSeparation: '/run/sshd',
} as const;

const libraries = ['/usr/lib', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/lib'];

/** What the namespace covers with file systems of its own. */
const covered = ['/srv', '/run'];

/** @throws settings_invalid for a folder that would be covered */
export function checkIsVisible(folder: string): void {
  const cover = covered.find((place) => folder === place || folder.startsWith(`${place}/`));
  if (cover === undefined) return;
  throw new SallyportError(
    'settings_invalid',
    `${folder} can't be used: a local sshd covers ${cover} with a view of their own. Choose a folder elsewhere.`,
  );
}

/** Whether this process can start an sshd that knows generated names. */
export function canGenerateNames(): boolean {
  return (
    process.getuid?.() === 0 &&
    existsSync('/usr/bin/unshare') &&
    existsSync(inNamespace.extrausers) &&
    libraries.some((folder) => existsSync(join(folder, 'libnss_extrausers.so.2'))) &&
    mayUnshare()
  );
}

/** In most containers root may not. */
function mayUnshare(): boolean {
  const tried = spawnSync('/usr/bin/unshare', ['--mount', '--propagation', 'private', '/bin/true'], {
    stdio: 'ignore',
  });
  return tried.status === 0;
}

/** $1 is the mark that ends the pairs of binds; what follows the second mark is the program. */
const script = `
mount -t tmpfs -o mode=0755,size=1m sallyport /srv
mkdir -p -m 0755 ${inNamespace.empty}
if ! [ -d ${inNamespace.privilegeSeparation} ]; then
  mount -t tmpfs -o mode=0755,size=8m sallyport /run
  mkdir -m 0755 ${inNamespace.privilegeSeparation}
fi
while [ "$1" != -- ]; do
  [ -e "$2" ] || mkdir -p -m 0755 "$2"
  mount --bind "$1" "$2"
  shift 2
done
shift
exec "$@"
`;

/** The argument array that runs `program` in the namespace. Its pid is the program's: nothing here forks. */
export function namespaceCommand({ binds }: MountNamespace, program: readonly string[]): string[] {
  return [
    '/usr/bin/unshare',
    '--mount',
    '--propagation',
    'private',
    '/bin/sh',
    '-euc',
    script,
    'sh',
    ...binds.flatMap(({ from, to }) => [from, to]),
    '--',
    ...program,
  ];
}

/** An nsswitch.conf under which the generated names are found beside the machine's own. */
export async function writeNsswitch(path: string): Promise<void> {
  const lines = [
    'passwd: files extrausers',
    'group: files extrausers',
    'shadow: files extrausers',
    'hosts: files dns',
  ];
  await writeFileAtomically(path, lines.map((line) => `${line}\n`).join(''), { mode: 0o644 });
}
