# Every session of the listener for one-time codes begins here. Its connection's ticket lies where only the user of its
# login name can read it; with that it goes on as any session does.
# Above this line the companion writes: tickets and route.
set -fu
name=$(printf '%s' "${SSH_CONNECTION-}" | /usr/bin/tr ' ' '_')
case $name in '' | */* | .*) exit 1 ;; esac
read -r ticket 2>/dev/null <"$tickets/$name" || {
  printf '%s\n' "Sallyport's companion on this machine does not know this connection. Log in again." >&2
  exit 1
}
exec /bin/sh "$route" "$ticket"
