/**
 * The names that a gateway's sshd must find before it asks anybody: one user per target name, as files for
 * libnss-extrausers. Pure. sshd wants shadow `*` (a `!` refuses the login without PAM) and a shell that runs a command.
 */

import { SallyportError } from '../errors/sallyport-error.ts';
import { isTargetName } from '../ssh/names.ts';

export interface GeneratedUser {
  readonly name: string;
  readonly uid: number;
  readonly home: string;
  readonly shell: string;
}

export interface NameFiles {
  readonly passwd: string;
  readonly shadow: string;
  readonly group: string;
}

/** libnss-extrausers serves nothing below 500, and names below 1000 are the machine's own. */
const lowestUid = 1_000;
const userName = /^[a-z_][a-z0-9_-]{0,62}$/;

/** @param home an empty folder of root: nobody can put anything into it */
export function targetUsers(
  targets: readonly { readonly targetName: string; readonly gatewayUid: number }[],
  home: string,
): GeneratedUser[] {
  return targets.map(({ targetName, gatewayUid }) => {
    if (!isTargetName(targetName)) throw refused(`${JSON.stringify(targetName)} is not a target name`);
    return { name: targetName, uid: gatewayUid, home, shell: '/bin/sh' };
  });
}

/** @throws name_refused for a name or uid that is unsafe, or used twice */
export function nameFiles(users: readonly GeneratedUser[]): NameFiles {
  for (const { name, uid, home, shell } of users) {
    if (!userName.test(name)) throw refused(`${JSON.stringify(name)} is not a user name`);
    if (!Number.isInteger(uid) || uid < lowestUid || uid > 0xfffffffe) throw refused(`uid ${uid} of ${name}`);
    if (/[:\n]/.test(home + shell)) throw refused(`the home or the shell of ${name} holds a colon`);
  }
  if (new Set(users.map(({ uid }) => uid)).size < users.length) throw refused('two names have one uid');
  if (new Set(users.map(({ name }) => name)).size < users.length) throw refused('a name stands twice');
  const lines = (line: (user: GeneratedUser) => string) => users.map((user) => `${line(user)}\n`).join('');
  return {
    passwd: lines(({ name, uid, home, shell }) => `${name}:x:${uid}:${uid}::${home}:${shell}`),
    shadow: lines(({ name }) => `${name}:*:1::::::`),
    group: lines(({ name, uid }) => `${name}:x:${uid}:`),
  };
}

function refused(problem: string): SallyportError {
  return new SallyportError('name_refused', `The gateway's user names can't be made: ${problem}.`);
}
