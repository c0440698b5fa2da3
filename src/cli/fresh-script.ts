/**
 * `fresh`: what ssh runs before it connects to one of our hosts, as a POSIX shell script because Node alone takes a
 * hundred milliseconds. It looks at the dates of two files (schedule.ts), and starts `sally` only when a renewal is due. It
 * asks nothing, opens nothing, and says at most one line, to a person at a terminal or in the log of a machine's job;
 * without Node or our program it is silent. It ends with 0 if the environment makes this a machine, else with 1, so that
 * ssh takes the person's identity too where it can't run this at all.
 */
import type { SallyEnvironment } from './environment.ts';
import type { StatePaths } from './state-paths.ts';

/** What makes a machine of an environment, for sh; environment.ts says what each is. */
export const machineVariables =
  '$SALLY_TOKEN$SALLY_ID_TOKEN$SALLY_ID_TOKEN_FILE$ACTIONS_ID_TOKEN_REQUEST_URL';

/** `is-machine`: ends with 0 if the environment brings a credential, and starts nothing else. */
export function isMachineScriptText(): string {
  return `#!/bin/sh
# Written by sally. Tells ssh whether the environment brings a credential of a machine.
[ -n "${machineVariables}" ]
`;
}

/** As young as the process that looks at it (Linux); its mount may be of other process ids than `$$` is. */
export const ownAge = '/proc/self/.';

export function freshScriptText(
  paths: Pick<StatePaths, 'home' | 'machineOwn' | 'personOwn' | 'profile'>,
  program: SallyEnvironment['program'],
): string {
  return `#!/bin/sh
# Written by sally. ssh runs this before it connects to a *.sallyport host; with PROJECT/ENVIRONMENT behind it for one
# that takes only a certificate which is narrowed to that. Ends with 0 if the environment brings a machine's credential.
state=${shellWord(paths.personOwn)}
node=${shellWord(program.node)}
sally=${shellWord(program.entry)}

# A machine's certificate lies apart, and is of one credential: another's is not offered in its place. The checksum
# stands for the credential, which is written nowhere: echo is part of every shell, so it is no argument of a process.
machine=${machineVariables} is_machine=1
[ -z "$machine" ] || state=${shellWord(paths.machineOwn)} is_machine=0
narrowed=$1
case $narrowed in
  '') ;;
  *[!a-z0-9/-]*) exit $is_machine ;;
  *) state=$state/environments/$narrowed ;;
esac
if [ -n "$machine" ]; then
  mark=$(echo "of $machine $SALLY_CI_RULE $SALLY_SERVER" | cksum)
  found=
  { read -r found; } 2>/dev/null <"$state/credential"
  if [ "$found" != "$mark" ]; then
    rm -f "$state/renew-after" "$state/credential"
    # Without this line ssh would offer other keys of the home.
    (umask 077 && mkdir -p "$state" && printf '#\\n# ends 0\\nIdentityFile none\\n' >"$state/identity.conf") 2>/dev/null
  fi
fi

# Between the dates of these two nothing is due. This process is as old as its folder in /proc, so no program need tell
# the time; where there is none, or no shell that compares dates, date does.
{ [ "$state/renew-after" -nt ${ownAge} ] && [ ${ownAge} -nt "$state/identity.conf" ] && exit $is_machine; } 2>/dev/null

# When a renewal is due (or over, or out) and why the last one gave nothing; since when by this clock, and when the
# certificate ends, in unix seconds. A clock before that moment was set back: what the file says is of another time.
read_state() {
  due= why= since= ends=
  { read -r due why && read -r since; } 2>/dev/null <"$state/renew-after"
  { read -r _ && read -r _ _ ends; } 2>/dev/null <"$state/identity.conf"
  case $due in over | out) ;; '' | *[!0-9]*) due=0 ;; esac
  case $since in '' | *[!0-9]*) since=0 ;; esac
  case $ends in '' | *[!0-9]*) ends=0 ;; esac
}

# The ssh that somebody has typed starts another one for the gateway in front, which would say it once more. Between an
# ssh and this may stand the shell that it runs commands with.
is_said() {
  told= own=$PPID
  { read -r told; } 2>/dev/null <"$state/told"
  case $(ps -o comm= -p $own 2>/dev/null) in *ssh) ;; *) own=$(ps -o ppid= -p $own 2>/dev/null) own=\${own##* } ;; esac
  above=$(ps -o ppid= -p \${own:-0} 2>/dev/null)
  case $(ps -o comm= -p \${above:-0} 2>/dev/null) in *ssh) [ "\${above##* }" = "$told" ] && return 0 ;; esac
  (umask 077 && echo "$own" >"$state/told") 2>/dev/null
  return 1
}

# One line, for who has nothing left that a gateway would take.
say_if_ended() {
  [ "$now" -ge "$ends" ] || exit $is_machine
  [ -n "$machine" ] || [ -t 2 ] || exit $is_machine
  is_said && exit $is_machine
  age=\${why#mfa-}
  case $due:$why in
    over:*) echo 'sally: session expired, run: sally login' >&2 ;;
    out:*) [ -n "$machine" ] || echo 'sally: nobody is logged in, run: sally login' >&2 ;;
    *:refused) echo 'sally: no certificate; to see why, run: sally cert ensure'"\${narrowed:+ --environment $narrowed}" >&2 ;;
    *:mfa) echo 'sally: a second factor is needed, run: sally login --mfa' >&2 ;;
    *:mfa-*[!0-9]*) ;;
    *:mfa-?*) echo "sally: a fresh second factor is needed, run: sally login --mfa --max-age $age" >&2 ;;
  esac
  exit $is_machine
}

read_state
now=$(date +%s 2>/dev/null)
case $now in '' | *[!0-9]*) now=0 ;; esac
case $due in over | out) say_if_ended ;; esac
[ "$now" -ge "$since" ] && [ "$now" -gt 0 ] && [ "$now" -lt "$due" ] && exit $is_machine
[ -x "$node" ] && [ -f "$sally" ] || exit $is_machine
[ -d "$state" ] || (umask 077 && mkdir -p "$state") 2>/dev/null

# While another one of these renews, the certificate at hand serves. Only to save work: sally has a lock of its own.
if ! (umask 077 && set -C && echo $$ >"$state/renewing") 2>/dev/null; then
  other=
  { read -r other; } 2>/dev/null <"$state/renewing"
  case $other in '' | *[!0-9]*) other=0 ;; esac
  [ "$other" -gt 0 ] && kill -0 "$other" 2>/dev/null && [ $((now + 60)) -lt "$ends" ] && exit $is_machine
fi
set -- cert ensure --quiet --home ${shellWord(paths.home)} \${narrowed:+--environment "$narrowed"}
SALLY_PROFILE=${shellWord(paths.profile)}
export SALLY_PROFILE
if [ -n "$SALLY_DEBUG" ]; then
  "$node" "$sally" "$@" </dev/null >/dev/null
else
  "$node" "$sally" "$@" </dev/null >/dev/null 2>&1
fi
rm -f "$state/renewing"
[ -z "$machine" ] || (umask 077 && echo "$mark" >"$state/credential") 2>/dev/null
read_state
say_if_ended
`;
}

/** One word for sh, whatever it holds (POSIX Shell Command Language, section 2.2.2). */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
