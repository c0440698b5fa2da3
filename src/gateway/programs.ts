/**
 * The programs of the machine that a companion needs, by fixed absolute path: what runs with privileges is never looked
 * up in a PATH.
 */
import { accessSync, constants } from 'node:fs';
import { SallyportError } from '../errors/sallyport-error.ts';
import { runProgram } from './run-program.ts';

export interface Programs {
  readonly sshd: string;
  readonly curl: string;
  readonly sshKeygen: string;
}

interface Wanted {
  readonly places: readonly string[];
  readonly debianPackage: string;
}

const wanted: Readonly<Record<string, Wanted>> = {
  sshd: {
    places: ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/sbin/sshd'],
    debianPackage: 'openssh-server',
  },
  curl: { places: ['/usr/bin/curl', '/usr/local/bin/curl', '/bin/curl'], debianPackage: 'curl' },
  'ssh-keygen': {
    places: ['/usr/bin/ssh-keygen', '/usr/local/bin/ssh-keygen'],
    debianPackage: 'openssh-client',
  },
};

/** Whether this user may run the file. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param isThere tells whether a path is a program; tests replace it
 * @throws program_missing, which names everything that is missing at once
 */
export function findPrograms(isThere: (path: string) => boolean = isProgram): Programs {
  const missing: string[] = [];
  const find = (name: string) => {
    const place = wanted[name]?.places.find(isThere);
    if (place === undefined) missing.push(name);
    return place ?? '';
  };
  const programs = { sshd: find('sshd'), curl: find('curl'), sshKeygen: find('ssh-keygen') };
  if (missing.length === 0) return programs;
  const packages = missing.map((name) => wanted[name]?.debianPackage).join(' ');
  throw new SallyportError(
    'program_missing',
    `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} missing: apt-get install ${packages}`,
  );
}

export interface OpensshVersion {
  readonly major: number;
  readonly minor: number;
}

/** The version of this sshd. Every sshd prints it with its usage, also those that do not know -V. */
export async function opensshVersion(sshd: string): Promise<OpensshVersion> {
  const { stdout, stderr } = await runProgram(sshd, ['-V']);
  const [, major, minor] = /OpenSSH_(\d+)\.(\d+)/.exec(stdout + stderr) ?? [];
  if (major === undefined || minor === undefined) {
    throw new SallyportError('program_missing', `${sshd} is not OpenSSH's: it does not tell its version.`);
  }
  return { major: Number(major), minor: Number(minor) };
}
