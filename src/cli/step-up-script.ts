/**
 * `step-up`: what ssh runs before it connects to a target that wants a second factor, and the lines of the ssh config that
 * say which targets those are. A POSIX shell script that compares two numbers; only where the second factor is missing or
 * too old and a person is there it starts `sally`, which has them log in again, and ssh goes on when that is done. It never
 * fails: where nobody is there it says one line, and ssh goes on to be refused.
 */
import type { SshConfiguration } from '../api/ssh-configuration.ts';
import type { SallyEnvironment } from './environment.ts';
import { machineVariables, shellWord } from './fresh-script.ts';
import { sallyportHost } from './ssh-config-text.ts';
import { configProgram } from './ssh-config-value.ts';
import type { StatePaths } from './state-paths.ts';

/** `step-up.conf`. Only whole names of ours stand there, so nothing that anybody typed gets to a shell. */
export function stepUpConfigText({ targets }: SshConfiguration, paths: Pick<StatePaths, 'stepUp'>): string {
  const lines = targets.flatMap(({ name, mfa_max_age: age }) => {
    if (age === undefined) return [];
    const program = configProgram(paths.stepUp, age === null ? 'any' : String(age), name);
    return [`Match host ${sallyportHost(name)} exec ${program}\n`];
  });
  return [
    '# Written by sally: targets that want a second factor, of any age or of so many seconds.\n',
    ...lines,
  ].join('');
}

/** What ssh takes before and behind the host (ssh(1)), as getopts of sh reads it. */
const sshOptions = ':46AaB:b:Cc:D:E:e:F:fGgI:i:J:KkL:l:Mm:NnO:o:P:p:Q:qR:S:sTtVvW:w:XxYy';

/** How long one ssh waits for the login that another one has asked for; a little longer than the login itself. */
const patienceMinutes = 11;

export function stepUpScriptText(
  paths: Pick<StatePaths, 'home' | 'profile' | 'session' | 'own'>,
  program: SallyEnvironment['program'],
): string {
  return `#!/bin/sh
# Written by sally. ssh runs this before it connects to the target $2, which wants a second factor of the last $1 seconds,
# or of any age.
max=$1 target=$2
session=${shellWord(paths.session)}
mark=${shellWord(`${paths.own}/stepping-up`)}
node=${shellWord(program.node)}
sally=${shellWord(program.entry)}

# A machine has no second factor.
[ -z "${machineVariables}" ] || exit 0

# Whether there is nothing to do: the second factor is young enough, or there is no session to begin with.
is_fresh() {
  mfa= over= ends=
  { while read -r name value; do
    case $name in
      '"mfa_time":') mfa=\${value%,} ;;
      '"over_since":') over=\${value%,} ;;
      '"expires_at":') ends=\${value%,} ;;
    esac
  done; } 2>/dev/null <"$session"
  # Of any age: there is one, or the session is over. No program need tell the time for that.
  case $max:$mfa in any: | any:*[!0-9]*) ;; any:*) return 0 ;; esac
  now=$(date +%s 2>/dev/null)
  case $now in '' | *[!0-9]*) return 0 ;; esac
  case $ends in '' | *[!0-9]*) return 0 ;; esac
  [ "$over" = null ] && [ "$now" -lt "$ends" ] || return 0
  case $mfa in null) return 1 ;; '' | *[!0-9]*) return 0 ;; esac
  [ "$max" = any ] || [ $((now - mfa)) -le "$max" ]
}
is_fresh && exit 0

say_command() {
  if [ "$max" = any ]; then
    echo 'sally: a second factor is needed, run: sally login --mfa' >&2
  else
    echo "sally: a fresh second factor is needed, run: sally login --mfa --max-age $max" >&2
  fi
  exit 0
}

# What kind of ssh asks: one that connects nowhere (-G and the like) or carries another one (-W) gets no word. Between it
# and this script there may be the person's shell.
set -f
kind=
newline='
'
pid=$PPID
for _ in 1 2; do
  if [ -r "/proc/$pid/cmdline" ]; then
    words=$(tr '\\000' '\\n' <"/proc/$pid/cmdline")
  else
    words=$(ps -ww -o args= -p "$pid" 2>/dev/null | tr ' ' '\\n')
  fi
  IFS=$newline
  set -- $words
  IFS=' '
  case $1 in ssh | */ssh) kind=ssh; shift; break ;; esac
  if { read -r line; } 2>/dev/null <"/proc/$pid/stat"; then
    set -- \${line##*) }
    pid=$2
  else
    pid=$(ps -o ppid= -p "$pid" 2>/dev/null | tr -d ' ')
  fi
  set --
done
# Nobody can tell what it is: it may be an editor's.
[ -n "$kind" ] || exit 0
batch= probe= host=
while [ $# -gt 0 ]; do
  OPTIND=1
  while getopts '${sshOptions}' option; do
    case $option in
      G | O | Q | V | W) exit 0 ;;
      T | D) probe=yes ;;
      o) case $OPTARG in
        [Bb][Aa][Tt][Cc][Hh][Mm][Oo][Dd][Ee][\\ =]*[Yy][Ee][Ss]*) batch=yes ;;
        [Bb][Aa][Tt][Cc][Hh][Mm][Oo][Dd][Ee][\\ =]*[Tt][Rr][Uu][Ee]*) batch=yes ;;
      esac ;;
    esac
  done
  shift $((OPTIND - 1))
  [ -z "$host" ] && [ $# -gt 0 ] || break
  host=$1
  shift
done
[ -z "$batch" ] && [ "$SALLY_STEP_UP" != never ] || say_command

# A terminal, if this ssh is in its foreground: whoever is in the background must not read from it.
terminal=
if { read -r line; } 2>/dev/null <"/proc/$$/stat"; then
  set -- \${line##*) }
  [ $# -ge 6 ] && [ "$5" != 0 ] && [ "$3" = "$6" ] && terminal=yes
else
  set -- $(ps -o pgid=,tpgid= -p "$$" 2>/dev/null)
  [ $# -eq 2 ] && [ "$1" = "$2" ] && terminal=yes
fi
[ -n "$terminal" ] && (: </dev/tty >/dev/tty) 2>/dev/null || terminal=

# Without one a browser will do, if somebody is likely to look at it: no editor's probe, no service, no job.
if [ -z "$terminal" ]; then
  [ -n "$DISPLAY$WAYLAND_DISPLAY$__CFBundleIdentifier" ] || say_command
  [ -z "$SSH_CONNECTION$SSH_TTY$INVOCATION_ID$CI$VSCODE_PID$VSCODE_IPC_HOOK$VSCODE_GIT_COMMAND$TERMINAL_EMULATOR" ] ||
    say_command
  [ -z "$probe" ] && [ "$GIT_TERMINAL_PROMPT" != 0 ] || say_command
fi
[ -x "$node" ] && [ -f "$sally" ] || say_command

# One page for all: who comes while another one asks waits for it, and does not ask again. sally has a lock of its own.
if ! (umask 077 && set -C && echo $$ >"$mark") 2>/dev/null; then
  other=
  { read -r other; } 2>/dev/null <"$mark"
  case $other in '' | *[!0-9]*) other=0 ;; esac
  is_asking() {
    [ "$other" -gt 0 ] && kill -0 "$other" 2>/dev/null && [ -n "$(find "$mark" -mmin -${patienceMinutes} 2>/dev/null)" ]
  }
  if is_asking; then
    # The number may be that of another process by now, which ends who knows when; so the age is looked at each second.
    while is_asking; do
      for _ in 1 2 3 4 5; do
        [ -f "$mark" ] && kill -0 "$other" 2>/dev/null || break
        sleep 0.2 2>/dev/null || sleep 1
      done
    done
    is_fresh && exit 0
    say_command
  fi
fi
trap 'rm -f "$mark"' EXIT
trap 'exit 0' HUP INT TERM
set -- step-up --home ${shellWord(paths.home)} --profile ${shellWord(paths.profile)} "$target"
if [ -n "$terminal" ]; then
  "$node" "$sally" "$@" </dev/tty >/dev/tty 2>&1
else
  "$node" "$sally" "$@" </dev/null >/dev/null
fi
exit 0
`;
}
