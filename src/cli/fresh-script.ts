/**
 * `fresh`: what ssh runs before it connects to one of our hosts, as a POSIX shell script because Node alone takes a
 * hundred milliseconds. It compares two numbers, and starts `sally` only when a renewal is due. It never fails, asks
 * nothing, opens nothing, and says at most one line, to a person at a terminal; without Node or our program it is silent.
 */
import type { SallyEnvironment } from './environment.ts';
import type { StatePaths } from './state-paths.ts';

export function freshScriptText(paths: StatePaths, program: SallyEnvironment['program']): string {
  return `#!/bin/sh
# Written by sally. ssh runs this before it connects to a *.sallyport host.
state=${shellWord(paths.folder)}
node=${shellWord(program.node)}
sally=${shellWord(program.entry)}

# When a renewal is due (or over, or out), and when the certificate ends, in unix seconds.
read_state() {
  due= ends=
  { read -r due; } 2>/dev/null <"$state/renew-after"
  { read -r _ && read -r _ _ ends; } 2>/dev/null <"$state/identity.conf"
  case $due in over | out) ;; '' | *[!0-9]*) due=0 ;; esac
  case $ends in '' | *[!0-9]*) ends=0 ;; esac
}

# One line, to a person at a terminal who has nothing left that a gateway would take.
say_if_ended() {
  case $due in
    over) why='session expired' ;;
    out) why='nobody is logged in' ;;
    *) exit 0 ;;
  esac
  [ -t 2 ] && [ "$now" -ge "$ends" ] && echo "sally: $why, run: sally login" >&2
  exit 0
}

read_state
now=$(date +%s 2>/dev/null)
case $now in '' | *[!0-9]*) now=0 ;; esac
case $due in over | out) say_if_ended ;; esac
[ "$now" -gt 0 ] && [ "$now" -lt "$due" ] && exit 0
[ -x "$node" ] && [ -f "$sally" ] || exit 0

# While another one of these renews, the certificate at hand serves. Only to save work: sally has a lock of its own.
if ! (umask 077 && set -C && echo $$ >"$state/renewing") 2>/dev/null; then
  other=
  { read -r other; } 2>/dev/null <"$state/renewing"
  case $other in '' | *[!0-9]*) other=0 ;; esac
  [ "$other" -gt 0 ] && kill -0 "$other" 2>/dev/null && [ $((now + 60)) -lt "$ends" ] && exit 0
fi
if [ -n "$SALLY_DEBUG" ]; then
  "$node" "$sally" cert ensure --quiet --home ${shellWord(paths.home)} </dev/null >/dev/null
else
  "$node" "$sally" cert ensure --quiet --home ${shellWord(paths.home)} </dev/null >/dev/null 2>&1
fi
rm -f "$state/renewing"
read_state
say_if_ended
`;
}

/** One word for sh, whatever it holds (POSIX Shell Command Language, section 2.2.2). */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
