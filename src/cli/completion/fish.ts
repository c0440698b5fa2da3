import type { CompletionRow, Kind } from './table.ts';

export function fishCompletion(table: readonly CompletionRow[]): string {
  const paths = table.map(({ path }) => path);
  const takeValues = table.flatMap(({ path, options }) =>
    options.flatMap(({ name, kind }) => (kind === undefined ? [] : `${path} ${name}`)),
  );
  return `# Completion of sally for fish. Written by: sally completion fish
set -g __sally_paths ${paths.map(word).join(' ')}
set -g __sally_values ${takeValues.map(word).join(' ')}

# The command that the words so far name, and how many operands it has.
function __sally_at
    set -l at sally
    set -l used 0
    set -l skip 0
    for token in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if string match -q -- '-*' $token
            contains -- "$at $token" $__sally_values; and set skip 1
        else if contains -- "$at $token" $__sally_paths
            set at "$at $token"
            set used 0
        else
            set used (math $used + 1)
        end
    end
    echo $at
    echo $used
end

function __sally_is
    set -l now (__sally_at)
    test "$now[1]" = "$argv[1]"
    and begin
        test (count $argv) = 1; or contains -- $now[2] $argv[2..-1]
    end
end

# The hosts of the ssh config that sally wrote.
function __sally_targets
    test -r ~/.ssh/sallyport/hosts.conf
    and string replace -rf '^\\s*Host\\s+([a-z0-9-]+)\\.sallyport\\b.*' '$1' <~/.ssh/sallyport/hosts.conf
end

complete -c sally -f
${table.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, commands, options, operands, repeats }: CompletionRow): string[] {
  const here = `complete -c sally -n ${word(`__sally_is ${word(path)}`)}`;
  return [
    ...commands.map(({ name, description }) => `${here} -a ${word(name)} -d ${word(description)}`),
    ...options.map(({ name, description, kind }) => {
      const flag = name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
      return `${here} ${flag} -d ${word(description)}${kind === undefined ? '' : ` -r${source(kind)}`}`;
    }),
    ...operands.flatMap((kind, at) => {
      const values = source(kind);
      if (values === '') return [];
      // A command of so many words as this covers is nobody's.
      const places = repeats && at === operands.length - 1 ? [at, at + 1, at + 2, at + 3, at + 4] : [at];
      return [`complete -c sally -n ${word(`__sally_is ${word(path)} ${places.join(' ')}`)}${values}`];
    }),
  ];
}

function source(kind: Kind): string {
  if (kind === '@target') return " -a '(__sally_targets)'";
  if (kind === '@file') return ' -F';
  return kind.startsWith('=') ? ` -a ${word(kind.slice(1).replaceAll(',', ' '))}` : '';
}

/** One word for fish, whose backslash escapes in single quotes. */
function word(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
