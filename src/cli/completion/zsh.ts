import { shellFacts } from './shell-facts.ts';
import type { CompletionRow } from './table.ts';

/** As a file \`_sally\` of the fpath, or evaluated behind compinit. */
export function zshCompletion(table: readonly CompletionRow[]): string {
  return `#compdef sally
# Completion of sally for zsh. Written by: sally completion zsh
${shellFacts(table)}
_sally() {
  emulate -L zsh
  local at=sally kind='' word rest
  local -i used=0 i=2
  local subs options values operands repeats
  _sally_facts "$at"
  while (( i < CURRENT )); do
    word=\${words[i]}
    (( i++ ))
    case $word in
      -*)
        if [[ " $values " == *" $word:"* ]]; then
          if (( i >= CURRENT )); then
            rest=" $values"
            rest=\${rest#*" $word:"}
            kind=\${rest%% *}
          fi
          (( i++ ))
        fi
        ;;
      *)
        if [[ " $subs " == *" $word "* ]]; then
          at="$at $word" used=0
          _sally_facts "$at"
        else
          (( used++ ))
        fi
        ;;
    esac
  done
  if [[ -z $kind ]]; then
    if [[ $PREFIX == -* ]]; then
      compadd -- \${=options}
      return
    fi
    [[ -z $subs ]] || compadd -- \${=subs}
    local -a kinds=(\${=operands})
    (( used >= $#kinds )) && [[ -n $repeats ]] && used=$(( $#kinds - 1 ))
    (( used < $#kinds )) || return 0
    kind=\${kinds[used + 1]}
  fi
  case $kind in
    '='*) compadd -- \${(s:,:)kind#=} ;;
    @target) compadd -- \${(f)"$(_sally_targets)"} ;;
    @file) _files ;;
  esac
}
# From the fpath this file is the body of _sally at its first use; evaluated it only declares it.
if [[ \${funcstack[1]} == _sally ]]; then _sally "$@"; else compdef _sally sally; fi
`;
}
