/**
 * The names that a gateway's sshd must find before it asks anybody, as files for libnss-extrausers: a user per target
 * name, its alias, a user per account's number and one for everybody's menu. Pure. sshd wants shadow `*` (a `!` refuses
 * the login without PAM) and a shell that runs a command.
 */

import type { CompanionState } from '../api/companions.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { isTargetName } from '../ssh/names.ts';
import { aliasOf, menuName } from './login-names.ts';

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
/** Below all that are given out to targets and accounts, above sallyport's own users on people's machines. */
const menuUid = 599_998;
/** A name, or a number: an account's, or a target's alias. */
const userName = /^([a-z_][a-z0-9_-]{0,62}|[1-9][0-9]{0,9}(-[1-9][0-9]{0,9})?)$/;

/** What the names come from. */
type Named = {
  readonly targets: readonly Pick<
    CompanionState['targets'][number],
    'targetName' | 'gatewayUid' | 'nodeNumber'
  >[];
  readonly accounts: readonly Pick<CompanionState['accounts'][number], 'number'>[];
};

/**
 * A target's name stands before its alias: it is the one that a uid's owner is called by.
 * @param home an empty folder of root: nobody can put anything into it
 */
export function gatewayUsers({ targets, accounts }: Named, home: string): GeneratedUser[] {
  const user = (name: string, uid: number): GeneratedUser => ({ name, uid, home, shell: '/bin/sh' });
  return [
    user(menuName, menuUid),
    ...targets.flatMap((target) => {
      const { targetName, gatewayUid } = target;
      if (!isTargetName(targetName)) throw refused(`${JSON.stringify(targetName)} is not a target name`);
      const alias = aliasOf(target);
      const named = [user(targetName, gatewayUid)];
      return alias === null ? named : [...named, user(alias, gatewayUid)];
    }),
    ...accounts.flatMap(({ number }) => (number === undefined ? [] : [user(String(number), number)])),
  ];
}

/** @throws name_refused for a name or uid that is unsafe, or used twice */
export function nameFiles(users: readonly GeneratedUser[]): NameFiles {
  for (const { name, uid, home, shell } of users) {
    if (!userName.test(name)) throw refused(`${JSON.stringify(name)} is not a user name`);
    if (!Number.isInteger(uid) || uid < lowestUid || uid > 0xfffffffe) throw refused(`uid ${uid} of ${name}`);
    if (/[:\n]/.test(home + shell)) throw refused(`the home or the shell of ${name} holds a colon`);
  }
  const byUid = Map.groupBy(users, ({ uid }) => uid);
  if ([...byUid].some(([uid, sharing]) => !mayShare(uid, sharing))) throw refused('two names have one uid');
  if (new Set(users.map(({ name }) => name)).size < users.length) throw refused('a name stands twice');
  const lines = (line: (user: GeneratedUser) => string) => users.map((user) => `${line(user)}\n`).join('');
  return {
    passwd: lines(({ name, uid, home, shell }) => `${name}:x:${uid}:${uid}::${home}:${shell}`),
    shadow: lines(({ name }) => `${name}:*:1::::::`),
    group: lines(({ name, uid }) => `${name}:x:${uid}:`),
  };
}

/** A target's name and its alias are one user under two names; nobody else shares a uid. */
function mayShare(uid: number, [first, second, ...more]: readonly GeneratedUser[]): boolean {
  if (first === undefined || second === undefined) return true;
  return more.length === 0 && isTargetName(first.name) && isAliasOf(uid, second.name);
}

function isAliasOf(uid: number, name: string): boolean {
  return /^[1-9][0-9]*-/.test(name) && name.endsWith(`-${uid}`);
}

function refused(problem: string): SallyportError {
  return new SallyportError('name_refused', `The gateway's user names can't be made: ${problem}.`);
}
