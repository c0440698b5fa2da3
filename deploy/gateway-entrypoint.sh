#!/bin/sh
# Runs a gateway in a container: installs it, then keeps the companion and sshd running side by side. TERM ends both;
# if one of them ends by itself, so does the container, with status 1, and whoever runs it starts it anew.
#
#   SALLYPORT_SERVER      URL of the server, https:// (http:// only on this machine itself)
#   SALLYPORT_TOKEN_FILE  file with the one-time enrolment token; read at the first start only
#   SALLYPORT_FAIL_CLOSED=yes, SALLYPORT_MAXIMUM_STALENESS=seconds, SALLYPORT_WHEN_STALE=deny|strict|keep: options of
#                         `sallyport gateway run`
#
# /var/lib/sallyport is to be a volume: who the gateway is, its host key and the last state lie there.
set -eu

program=${SALLYPORT_PROGRAM:-/app/bin/sallyport.js}
state=/var/lib/sallyport/gateway
companion=
sshd=
asked_to_end=no

say() { printf 'gateway: %s\n' "$1" >&2; }

# Waits until a process has ended, however often a signal interrupts that; its status is this function's.
ended() {
  result=0
  wait "$1" || result=$?
  while kill -0 "$1" 2>/dev/null; do
    result=0
    wait "$1" || result=$?
  done
  return "$result"
}

if [ -z "${SALLYPORT_SERVER:-}" ]; then
  say 'set SALLYPORT_SERVER to the URL of the server, such as https://ssh.example.com'
  exit 1
fi

end() {
  asked_to_end=yes
  # sshd first: nobody is to come in whom the companion does not see.
  for process in $sshd $companion; do kill -TERM "$process" 2>/dev/null || :; done
}
trap end TERM INT HUP

# What a container that was killed left behind; sshd's own directory, which Debian makes in its service file.
rm -f /run/sshd.pid
mkdir -p -m 0755 /run/sshd

# /etc is the container's and may be new, the record of what was changed there is the volume's and may be old: each
# start installs over it. The enrolment is kept; only where there is none the token is read.
set -- --server "$SALLYPORT_SERVER"
if [ -x /usr/local/lib/sallyport-ask ]; then set -- "$@" --ask-program /usr/local/lib/sallyport-ask; fi
if [ ! -e "$state/companion.json" ]; then
  if [ ! -s "${SALLYPORT_TOKEN_FILE:-}" ]; then
    say "not enrolled yet: put a token of 'sallyport enrolment-token NAME' into the file that SALLYPORT_TOKEN_FILE names"
    exit 1
  fi
  set -- "$@" --token-file "$SALLYPORT_TOKEN_FILE"
fi
node "$program" gateway install "$@" &
companion=$!
status=0
ended "$companion" || status=$?
companion=
if [ "$asked_to_end" = yes ]; then exit 0; fi
if [ "$status" -ne 0 ]; then exit "$status"; fi

set --
if [ "${SALLYPORT_FAIL_CLOSED:-no}" = yes ]; then set -- "$@" --fail-closed; fi
if [ -n "${SALLYPORT_MAXIMUM_STALENESS:-}" ]; then set -- "$@" --maximum-staleness "$SALLYPORT_MAXIMUM_STALENESS"; fi
if [ -n "${SALLYPORT_WHEN_STALE:-}" ]; then set -- "$@" --when-stale "$SALLYPORT_WHEN_STALE"; fi
node --max-semi-space-size=1 --max-old-space-size=256 "$program" gateway run "$@" &
companion=$!
# By its whole path: sshd runs itself again for each connection. In the foreground, its log to ours.
/usr/sbin/sshd -D -e &
sshd=$!

# sh can't wait for whichever ends first, so it looks every second.
while kill -0 "$companion" 2>/dev/null && kill -0 "$sshd" 2>/dev/null; do
  sleep 1 &
  wait $! || :
done
status=0
if [ "$asked_to_end" = no ]; then
  status=1
  if kill -0 "$sshd" 2>/dev/null; then say 'the companion ended'; else say 'sshd ended'; fi
  end
fi
ended "$sshd" || :
ended "$companion" || :
exit "$status"
