/** Users of the machine, asked and made with its own programs. */
import { SallyportError } from '../errors/sallyport-error.ts';
import { runProgram } from './run-program.ts';

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/** Undefined if sshd would not find the name either. */
export async function findUser(name: string): Promise<UserIds | undefined> {
  const { status, stdout } = await runProgram('/usr/bin/getent', ['passwd', name]);
  const [, , uid, gid] = stdout.trim().split(':');
  return status === 0 && uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

/** A system user that owns nothing and can't log in. @throws install_failed */
export async function createSystemUser(name: string): Promise<void> {
  const args = [
    '--system',
    '--no-create-home',
    '--home-dir',
    '/nonexistent',
    '--shell',
    '/usr/sbin/nologin',
    name,
  ];
  await must('/usr/sbin/useradd', args);
}

/** @throws install_failed */
export async function removeUser(name: string): Promise<void> {
  await must('/usr/sbin/userdel', [name]);
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const { status, stderr } = await runProgram(program, args);
  if (status === 0) return;
  throw new SallyportError('install_failed', `${program} ${args.join(' ')} failed: ${stderr.trim()}`);
}
