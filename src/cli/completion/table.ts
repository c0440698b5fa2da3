/** What can follow which command, in the words that the scripts of all shells are made of. Pure. */
import { type DescribedCommand, visibleCommands } from '../command-line/describe.ts';

/** What a word is: one of a few, the name of a target, a file, or nothing that could be known. */
export type Kind = '@target' | '@file' | '-' | `=${string}`;

export interface CompletionRow {
  /** "sally admin sessions" */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly {
    readonly name: string;
    readonly description: string;
    /** Of its value; absent: it takes none. */
    readonly kind?: Kind;
  }[];
  /** Of each operand. */
  readonly operands: readonly Kind[];
  /** The last of them may come any number of times. */
  readonly repeats: boolean;
}

const targetNames = new Set(['target', 'where']);
const fileNames = new Set(['file', 'folder', 'remote']);
/** The programs that `sally` wraps take a target or a file anywhere. */
const wrapped: Readonly<Record<string, Kind>> = {
  'sally scp': '@file',
  'sally sftp': '@target',
  'sally rsync': '@file',
};
/** Where `name` is no target. */
const otherNames = /^sally (admin|token|passkeys|gateway|profile|service|tunnel)\b/;

export function completionTable(program: DescribedCommand): CompletionRow[] {
  return visibleCommands(program).map((command) => rowOf(command));
}

function rowOf(command: DescribedCommand): CompletionRow {
  const path = command.path.join(' ');
  return {
    path,
    commands: command.commands
      .filter(({ isHidden }) => !isHidden)
      .map(({ path: below, description }) => ({ name: below.at(-1) ?? '', description })),
    options: command.options.flatMap(({ names, value, choices, description }) =>
      names.map((name) => ({
        name,
        description,
        ...(value !== undefined && { kind: kindOf(path, value, choices) }),
      })),
    ),
    operands: command.arguments.map(({ name, choices }) => wrapped[path] ?? kindOf(path, name, choices)),
    repeats: command.arguments.at(-1)?.isVariadic ?? false,
  };
}

function kindOf(path: string, name: string, choices: readonly string[]): Kind {
  if (choices.length > 0) return `=${choices.join(',')}`;
  const alternatives = /^[a-z]+(\|[a-z]+)+$/.test(name);
  if (alternatives) return `=${name.replaceAll('|', ',')}`;
  if (fileNames.has(name)) return '@file';
  if (targetNames.has(name) || (name === 'name' && !otherNames.test(path))) return '@target';
  return '-';
}
