/** The table as a function of bash and zsh: it sets what holds for the command that its argument names. */
import type { CompletionRow } from './table.ts';

export function shellFacts(table: readonly CompletionRow[]): string {
  return `_sally_facts() {
  subs='' options='' values='' operands='' repeats=''
  case $1 in
${table.map(caseOf).join('\n')}
  esac
}

# The hosts of the ssh config that sally wrote; anything else that may stand there is not for a shell.
_sally_targets() {
  local word name rest
  [ -r "$HOME/.ssh/sallyport/hosts.conf" ] || return 0
  while read -r word name rest; do
    [ "$word" = Host ] || continue
    name=\${name%.sallyport}
    case $name in '' | *[!a-z0-9-]*) ;; *) printf '%s\\n' "$name" ;; esac
  done <"$HOME/.ssh/sallyport/hosts.conf"
}
`;
}

function caseOf({ path, commands, options, operands, repeats }: CompletionRow): string {
  const facts: readonly (readonly [string, readonly string[]])[] = [
    ['subs', commands.map(({ name }) => name)],
    ['options', options.map(({ name }) => name)],
    ['values', options.flatMap(({ name, kind }) => (kind === undefined ? [] : `${name}:${kind}`))],
    ['operands', operands],
    ['repeats', repeats ? ['1'] : []],
  ];
  const set = facts.flatMap(([name, words]) => (words.length > 0 ? `${name}='${words.join(' ')}'` : []));
  return `    '${path}') ${[...set, ';;'].join(' ')}`;
}
