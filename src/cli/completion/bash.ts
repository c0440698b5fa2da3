import { shellFacts } from './shell-facts.ts';
import type { CompletionRow } from './table.ts';

/** For bash 3.2, which macOS has, and later. */
export function bashCompletion(table: readonly CompletionRow[]): string {
  return `# Completion of sally for bash. Written by: sally completion bash
${shellFacts(table)}
_sally() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at=sally kind='' used=0 i=1 word rest
  local subs options values operands repeats
  # bash breaks words at the sign of equality.
  [ "$cur" = = ] && cur=''
  _sally_facts "$at"
  while [ "$i" -lt "$COMP_CWORD" ]; do
    word=\${COMP_WORDS[i]}
    i=$((i + 1))
    case $word in
      -*)
        case " $values " in
          *" $word:"*)
            [ "\${COMP_WORDS[i]}" = = ] && i=$((i + 1))
            if [ "$i" -ge "$COMP_CWORD" ]; then
              rest=" $values"
              rest=\${rest#*" $word:"}
              kind=\${rest%% *}
            fi
            i=$((i + 1))
            ;;
        esac
        ;;
      *)
        case " $subs " in
          *" $word "*)
            at="$at $word" used=0
            _sally_facts "$at"
            ;;
          *) used=$((used + 1)) ;;
        esac
        ;;
    esac
  done
  COMPREPLY=()
  if [ -z "$kind" ]; then
    case $cur in
      -*)
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
        return
        ;;
    esac
    if [ -n "$subs" ]; then
      COMPREPLY=($(compgen -W "$subs" -- "$cur"))
      [ \${#COMPREPLY[@]} -eq 0 ] || return
    fi
    set -- $operands
    [ "$used" -ge $# ] && [ -n "$repeats" ] && used=$(($# - 1))
    [ "$used" -lt $# ] || return
    shift "$used"
    kind=$1
  fi
  case $kind in
    =*)
      kind=\${kind#=}
      COMPREPLY=($(compgen -W "\${kind//,/ }" -- "$cur"))
      ;;
    @target) COMPREPLY=($(compgen -W "$(_sally_targets)" -- "$cur")) ;;
    @file) compopt -o default 2>/dev/null || COMPREPLY=($(compgen -f -- "$cur")) ;;
  esac
}
complete -F _sally sally
`;
}
