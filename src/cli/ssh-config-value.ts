/**
 * The one place where a value becomes text of an ssh config (ssh_config(5)). An allow-list, because a config has line
 * ends, quotes, %-tokens and ${variables}, and what it names may reach a shell; values from the server have passed
 * their schemas before, and pass here again.
 */
import { SallyportError } from '../errors/sallyport-error.ts';

const bare = /^[A-Za-z0-9_./:@,=+*][A-Za-z0-9_./:@,=+*-]*$/;
/** A path may hold spaces and letters of any language; state-paths.ts has refused the rest. */
const path = /^\/[^"'%\\`$*?[\]!\p{C}]*$/u;

const unfit =
  'The server gave a name that cannot stand in an ssh config. Nothing was written. Ask an admin to look at the names.';

/** A word such as a host name, a port or a login name. @throws name_refused */
export function configWord(text: string | number): string {
  const word = String(text);
  if (bare.test(word)) return word;
  throw new SallyportError('name_refused', unfit);
}

/** Of Windows, as state-paths.ts writes it. What lies below `.ssh` there is the only thing that a config names. */
const onDrive = /^[A-Za-z]:\/(?:.*\/)?\.ssh(\/[^"'%\\`$*?[\]!\p{C}]*)$/u;

/**
 * An absolute path, in quotes. On Windows from the home folder, which each of its ssh programs writes in its own way.
 * @throws settings_invalid
 */
export function configPath(text: string): string {
  const [, belowSsh] = onDrive.exec(text.replaceAll('\\', '/')) ?? [];
  if (belowSsh !== undefined) return `"~/.ssh${belowSsh}"`;
  if (path.test(text)) return `"${text}"`;
  throw new SallyportError('settings_invalid', 'A path holds characters that an ssh config cannot name.');
}

/** What no shell takes for more than a word: sh, fish, csh, PowerShell and cmd. */
const plain = /^[A-Za-z0-9_./-]+$/;

/**
 * The argument of `Match exec`: a program and plain words for it. ssh hands it to whatever shell the person has, so it is
 * nothing but words; a path with a space or the like is quoted, which sh, fish and csh read and PowerShell does not. On
 * Windows it is a file for cmd.
 * @throws settings_invalid, name_refused
 */
export function configProgram(text: string, ...words: readonly string[]): string {
  configPath(text);
  for (const word of words) {
    if (!plain.test(word)) throw new SallyportError('name_refused', unfit);
  }
  if (onDrive.test(text)) return `"${[`${text.replaceAll('/', '\\')}.cmd`, ...words].join(' ')}"`;
  return `"${[plain.test(text) ? text : `'${text}'`, ...words].join(' ')}"`;
}
