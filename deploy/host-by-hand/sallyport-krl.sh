#!/bin/sh
# Keeps the revocation list of an sshd that has no companion current: fetches it from the Sallyport server, checks
# everything that can be checked, and only then puts it where sshd reads it. On any doubt the list stays as it is, and
# the system's log says why. Run it by a timer; docs/hosts-by-hand.md has the whole setup.
#
#   sallyport-krl SERVER [FOLDER [STATE]]
#
#   SERVER  the server's public URL, such as https://ssh.example.com
#   FOLDER  has user_ca.pub (TrustedUserCAKeys) and canaries.pub, both put there once; revoked_keys is written into it
#   STATE   remembers the version of the last list, apart from the list
#
# SALLYPORT_DOMAIN, if the server signs in another name than its host name.
# Needs curl, OpenSSH 8.1 or newer, and GNU coreutils.
set -eu
umask 077
export LC_ALL=C

server=${1:?'the URL of the Sallyport server is missing'}
folder=${2:-/etc/ssh/sallyport}
state=${3:-/var/lib/sallyport-krl}
domain=${server#*://}
domain=${domain%%[:/]*}
domain=${SALLYPORT_DOMAIN:-$domain}
largest=33554432

refuse() {
  logger -s -t sallyport-krl -p auth.err -- "$1; the revocation list stays as it is" ||
    echo "sallyport-krl: $1; the revocation list stays as it is" >&2
  exit 1
}

case $server in
  https://*) scheme=https ;;
  http://localhost:* | http://127.0.0.1:*) scheme=http ;;
  *) refuse 'the server must be an https:// URL' ;;
esac

mkdir -p "$state"
exec 9>"$state/lock"
flock -n 9 || refuse 'another one of these runs'
# Beside the list, so that it gets there by a rename.
new=$(mktemp -d "$folder/.krl.XXXXXX") || refuse "no folder can be made in $folder"
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM

fetch() {
  curl -q -fsS --proto "=$scheme" --max-time 20 --max-filesize "$largest" -o "$new/$2" "$server/ssh/$1" ||
    refuse "$server/ssh/$1 cannot be had"
}

# The list's own version (PROTOCOL.krl): eight bytes behind the magic and the format's version. Nothing for what is no list.
version_of() {
  [ "$(head -c 12 "$1" | od -An -v -tx1 | tr -d ' \n')" = 5353484b524c0a0000000001 ] || return 0
  version=0
  for byte in $(od -An -v -tu1 -j12 -N8 "$1"); do version=$((version * 256 + byte)); done
  [ "$version" -le 0 ] || echo "$version"
}

# Signed by one of the keys that sshd trusts: the signatures are over the version and the list (PROTOCOL.sshsig).
is_signed() {
  { printf 'sallyport krl\n%s\n' "$1" && cat "$new/krl"; } >"$new/message"
  while read -r type key _; do
    case $type in '' | '#'*) continue ;; esac
    printf 'sallyport namespaces="krl@%s" %s %s\n' "$domain" "$type" "$key"
  done <"$folder/user_ca.pub" >"$new/signers"
  rm -f "$new"/signature.*
  awk -v to="$new/signature." '/^-----BEGIN SSH SIGNATURE-----$/ { part++ } part && part < 20 { print > (to part) }' \
    "$new/krl.sig"
  for signature in "$new"/signature.*; do
    ssh-keygen -Y verify -f "$new/signers" -I sallyport -n "krl@$domain" -s "$signature" \
      <"$new/message" >"$new/said" 2>&1 && return 0
  done
  return 1
}

# The list may change between the two downloads.
for attempt in 1 2 3; do
  fetch krl krl
  fetch krl.sig krl.sig
  [ "$(wc -c <"$new/krl")" -gt 44 ] || refuse 'the server sent an empty list'
  version=$(version_of "$new/krl")
  [ -n "$version" ] || refuse 'the server sent something that is no revocation list'
  is_signed "$version" && break
  [ "$attempt" -lt 3 ] || refuse "no CA key of $folder/user_ca.pub has signed list $version"
done

# Every version of sshd reads it, and finds revoked in it what must be. sshd takes some broken lists for empty ones.
ssh-keygen -Q -l -f "$new/krl" >"$new/said" 2>&1 || refuse "ssh-keygen cannot read list $version"
# Gateways have shorter ones by the same keys, which lack whoever is a stranger there; they say so in their comment.
! grep -q '^# Comment: .* for accounts ' "$new/said" || refuse "list $version was cut for another machine"
canaries=0
# A last line without its end counts too.
while read -r canary || [ -n "$canary" ]; do
  [ -n "$canary" ] || continue
  printf '%s\n' "$canary" >"$new/canary.pub"
  ssh-keygen -Q -f "$new/krl" "$new/canary.pub" >"$new/said" 2>&1 || :
  grep -q ': REVOKED$' "$new/said" || refuse "list $version does not revoke a canary of $folder/canaries.pub"
  canaries=$((canaries + 1))
done <"$folder/canaries.pub"
[ "$canaries" -gt 0 ] || refuse "$folder/canaries.pub is empty"

# Never back: not behind the last list that was seen here, and not behind the one that is installed.
known=0
if [ -e "$state/version" ]; then
  read -r known <"$state/version" || :
  case $known in '' | *[!0-9]* | ???????????????????*) refuse "$state/version is damaged" ;; esac
fi
installed=
[ ! -f "$folder/revoked_keys" ] || installed=$(version_of "$folder/revoked_keys")
for least in "$known" "${installed:-0}"; do
  [ "$version" -ge "$least" ] || refuse "the server sent list $version, which is older than $least"
done

if [ -L "$folder/revoked_keys" ] || ! cmp -s "$new/krl" "$folder/revoked_keys"; then
  chmod 0644 "$new/krl"
  sync "$new/krl"
  mv -fT "$new/krl" "$folder/revoked_keys" || refuse "$folder/revoked_keys cannot be replaced"
  sync "$folder"
fi
# Written each time: how old it is tells when the list was last found to be current.
printf '%s\n' "$version" >"$state/version.new"
sync "$state/version.new"
mv -fT "$state/version.new" "$state/version"
sync "$state"
