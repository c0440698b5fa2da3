# pam_exec(8) runs this for who logs in with a one-time code: the code comes on standard input, and 0 lets in. It runs as
# root, its parent is PAM's own process and that one's parent the connection's monitor. sshd has put SSH_CONNECTION into
# PAM's environment.
# Above this line the companion writes: socket and curl.
set -fu
[ "${PAM_TYPE-}" = auth ] || exit 1
answer=$("$curl" -q -sf --max-time 20 --unix-socket "$socket" --data-urlencode "ppid=$PPID" \
  --data-urlencode "user=${PAM_USER-}" --data-urlencode "connection=${SSH_CONNECTION-}" \
  --data-urlencode code@- http://gateway/codes) || exit 1
[ "$answer" = in ]
