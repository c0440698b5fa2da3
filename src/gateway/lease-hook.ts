/**
 * The program of the machine's owner that opens and closes its firewall for leases. It is run without a shell, as
 *   PROGRAM add ADDRESS PORT SECONDS     opens, or keeps open from now on for so long
 *   PROGRAM remove ADDRESS PORT 0        closes; what is closed already is no error
 *   PROGRAM list                         prints a line "ADDRESS PORT" for each that is open
 * where ADDRESS is an address or a network. Exit status 0 says that it is done.
 */
import { lstat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { runProgram } from './run-program.ts';

/** A hole: for whom, and where to. */
export interface Opening {
  readonly network: string;
  readonly port: number;
}

export interface LeaseHook {
  /** @throws install_failed, with what the program said */
  add(opening: Opening, seconds: number): Promise<void>;
  remove(opening: Opening): Promise<void>;
  list(): Promise<Opening[]>;
}

const patienceMilliseconds = 10_000;

/** @throws settings_invalid, file_refused: what runs as root must be nobody else's to change */
export async function createLeaseHook(program: string): Promise<LeaseHook> {
  if (!program.startsWith('/')) {
    throw new SallyportError('settings_invalid', '--lease-hook wants an absolute path.');
  }
  const path = await realpath(program).catch(() => {
    throw new SallyportError('file_refused', `The lease hook ${program} is not there.`);
  });
  for (let at = path; ; at = dirname(at)) {
    await requireOurs(at);
    if (dirname(at) === at) break;
  }
  const run = async (...args: string[]) => {
    const { status, stdout, stderr } = await runProgram(path, args, { patienceMilliseconds });
    if (status === 0) return stdout;
    const said = stderr
      .replace(/[^\x20-\x7e]+/g, ' ')
      .trim()
      .slice(0, 200);
    throw new SallyportError(
      'install_failed',
      `The lease hook failed: ${[path, ...args].join(' ')} ended with ${status ?? 'a signal'}. ${said}`,
    );
  };
  return {
    add: async ({ network, port }, seconds) => void (await run('add', network, `${port}`, `${seconds}`)),
    remove: async ({ network, port }) => void (await run('remove', network, `${port}`, '0')),
    list: async () => openingsOf(await run('list')),
  };
}

/** Root's, or this user's where it is not root that runs the companion, and writable for nobody else. */
async function requireOurs(path: string): Promise<void> {
  const { uid, mode, isDirectory } = await lstat(path).then((found) => ({
    uid: found.uid,
    mode: found.mode,
    isDirectory: found.isDirectory(),
  }));
  const isSticky = isDirectory && (mode & 0o1000) !== 0;
  const isOurs = uid === 0 || uid === process.getuid?.();
  if (isOurs && ((mode & 0o022) === 0 || isSticky)) return;
  throw new SallyportError(
    'file_refused',
    `The lease hook can't be used: ${path} can be changed by others than root. Run: chown root ${path}; chmod go-w ${path}`,
  );
}

/** Lines that are none are left out: they may be words for people. */
function openingsOf(text: string): Opening[] {
  return text.split('\n').flatMap((line) => {
    const [, network, port] =
      /^([0-9a-f.:]{2,45}(?:\/[0-9]{1,3})?) ([1-9][0-9]{0,4})$/.exec(line.trim()) ?? [];
    return network === undefined ? [] : [{ network, port: Number(port) }];
  });
}
