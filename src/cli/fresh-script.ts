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

# renew-after: when a renewal is due, and when the certificate ends, in unix seconds.
read_schedule() {
  due= ends=
  { read -r due && read -r ends; } 2>/dev/null <"$state/renew-after"
  case $ends in '' | *[!0-9]*) ends=0 ;; esac
}

say_if_ended() {
  [ -t 2 ] && [ "$now" -ge "$ends" ] && echo "sally: $1, run: sally login" >&2
  exit 0
}

read_schedule
now=$(date +%s 2>/dev/null)
case $now in '' | *[!0-9]*) now=0 ;; esac
case $due in
  over | out) ;;
  '' | *[!0-9]*) due=0 ;;
esac
case $due in
  over | out) ;;
  *)
    [ "$now" -gt 0 ] && [ "$now" -lt "$due" ] && exit 0
    [ -x "$node" ] && [ -f "$sally" ] || exit 0
    if [ -n "$SALLY_DEBUG" ]; then
      "$node" "$sally" cert ensure --quiet --home ${shellWord(paths.home)} </dev/null >/dev/null
    else
      "$node" "$sally" cert ensure --quiet --home ${shellWord(paths.home)} </dev/null >/dev/null 2>&1
    fi
    read_schedule
    ;;
esac
case $due in
  over) say_if_ended 'session expired' ;;
  out) say_if_ended 'nobody is logged in' ;;
esac
exit 0
`;
}

/** One word for sh, whatever it holds (POSIX Shell Command Language, section 2.2.2). */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
