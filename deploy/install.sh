#!/bin/sh
# Installs sally for one person, without root: checks who signed the release and what it holds before anything of it runs.
#
#   sh install.sh --from https://releases.example.com      (or a folder)
#   sh install.sh --uninstall
set -eu
# A shell reads the completions: nobody else may write them.
umask go-w

usage() {
  cat <<'TEXT'
Usage: sh install.sh --from URL|FOLDER [--version V] [--to FOLDER] [--key FILE]
       sh install.sh --uninstall [--to FOLDER]

  --from      where sally.release and the files that it names are
  --version   only this version
  --to        where the program goes (default: ~/.local/bin)
  --key FILE  public key of those who sign releases, if it is not in this script
TEXT
}

# Public keys of those who sign releases; the build puts them here.
release_keys='@RELEASE_KEYS@'
from= version= to=${HOME:?HOME is not set}/.local/bin key= uninstall=
share=$HOME/.local/share

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --from) from=${2:?--from needs a value} && shift 2 ;;
    --version) version=${2:?--version needs a value} && shift 2 ;;
    --to) to=${2:?--to needs a value} && shift 2 ;;
    --key) key=${2:?--key needs a value} && shift 2 ;;
    --uninstall) uninstall=1 && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done

manual=$share/man/man1/sally.1
bash_completion=$share/bash-completion/completions/sally
fish_completion=$share/fish/vendor_completions.d/sally.fish
# Number and version of the release that is installed: none that is older takes its place.
mark=$share/sally/release

if [ -n "$uninstall" ]; then
  if [ -x "$to/sally" ] && [ -d "$HOME/.ssh/sallyport" ]; then "$to/sally" ssh-config uninstall || true; fi
  rm -f "$to/sally" "$manual" "$bash_completion" "$fish_completion" "$mark"
  rmdir "$share/sally" 2>/dev/null || true
  echo "sally is gone. Logins that were made with it are in ~/.ssh/sallyport: sally logout would have ended them."
  exit 0
fi
[ -n "$from" ] || { usage >&2 && exit 2; }

case $(uname -s)-$(uname -m) in
  Linux-x86_64) platform=linux-x64 ;;
  Linux-aarch64 | Linux-arm64) platform=linux-arm64 ;;
  Darwin-x86_64) platform=darwin-x64 ;;
  Darwin-arm64) platform=darwin-arm64 ;;
  *) fail "there is no sally for $(uname -s) on $(uname -m); with Node 24: npm install --global @sallyport/sally" ;;
esac

# Plain http only to this machine. What stands before an @ is a user and not a host, so there may be none.
protocol=
case $from in
  http://* | https://*)
    protocol=${from%%://*} authority=${from#*://}
    authority=${authority%%[/?#]*}
    case $authority in
      '' | *[!A-Za-z0-9.:_-]*) fail '--from must be an address without user, such as https://releases.example.com' ;;
    esac
    host=${authority%:*} port=${authority##*:}
    case $protocol:$host in
      https:* | http:127.0.0.1 | http:localhost) ;;
      *) fail '--from must be https' ;;
    esac
    [ "$protocol" = https ] || case $port in
      '' | *[!0-9]*) fail '--from must be https' ;;
    esac
    ;;
  *://*) fail '--from must be https' ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/sally-install.XXXXXX")
beside=
trap 'rm -rf "$work"; [ -z "$beside" ] || rm -f "$beside"' EXIT
trap 'exit 1' HUP INT TERM

# get NAME FILE
get() {
  if [ -z "$protocol" ]; then
    cp -- "$from/$1" "$2" 2>/dev/null || fail "$from/$1 is not there"
  elif command -v curl >/dev/null 2>&1; then
    # Where a redirect goes counts as well.
    curl -fsSL --proto "=$protocol" --max-filesize 300000000 -o "$2" -- "$from/$1" || fail "$from/$1 could not be fetched"
  elif command -v wget >/dev/null 2>&1; then
    wget -q -O "$2" -- "$from/$1" || fail "$from/$1 could not be fetched"
  else
    fail 'curl or wget is needed'
  fi
}

# Who signed it.
command -v ssh-keygen >/dev/null 2>&1 || fail 'ssh-keygen is needed: install the OpenSSH client'
[ -z "$key" ] || release_keys=$(cat -- "$key")
case $release_keys in
  ssh-* | sk-ssh-* | ecdsa-* | sk-ecdsa-*) ;;
  *) fail 'this script has no key of those who sign releases; name one: --key FILE' ;;
esac
printf '%s\n' "$release_keys" | sed 's/^/release@sallyport /' >"$work/signers"
get sally.release "$work/document"
sed '/^-----BEGIN SSH SIGNATURE-----$/,$d' "$work/document" >"$work/manifest"
sed -n '/^-----BEGIN SSH SIGNATURE-----$/,$p' "$work/document" >"$work/signature"
ssh-keygen -q -Y verify -f "$work/signers" -I release@sallyport -n release@sallyport -s "$work/signature" \
  <"$work/manifest" >/dev/null 2>&1 || fail 'the release is not signed by a key that this script knows; nothing was installed'

# What it says.
fact() {
  sed -n "s/^$1 //p" "$work/manifest"
}
[ "$(head -n 1 "$work/manifest")" = 'sallyport-release 1' ] || fail 'the release is of a kind that this script does not know'
[ "$(fact program)" = sally ] || fail 'the release is of another program'
found=$(fact version) number=$(fact number)
case $number in '' | *[!0-9]*) fail 'the release has no number' ;; esac
case $found in '' | *[!0-9.]*) fail 'the release has no version' ;; esac
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
first=$(printf '%s\n%s\n' "$now" "$(fact expires)" | LC_ALL=C sort | head -n 1)
[ "$first" = "$now" ] || fail "the release is out of date since $(fact expires); is there a newer one, or is the clock wrong?"
[ -z "$version" ] || [ "$version" = "$found" ] || fail "the release is of version $found, not $version"
had=0
[ ! -r "$mark" ] || read -r had _ <"$mark" || true
case $had in '' | *[!0-9]*) had=0 ;; esac
[ "$number" -ge "$had" ] || fail "the release is older than what was installed before (number $number, before $had)"

# name -> the file, if it is what the release says
take() {
  line=$(sed -n "s/^file $1 //p" "$work/manifest")
  [ -n "$line" ] || fail "the release has no $1"
  get "$1" "$2"
  size=$(wc -c <"$2" | tr -d ' ')
  if command -v sha256sum >/dev/null 2>&1; then sum=$(sha256sum <"$2"); else sum=$(shasum -a 256 <"$2"); fi
  [ "$size ${sum%% *}" = "$line" ] || fail "$1 is not what the release says; nothing was installed"
}

mkdir -p -- "$to"
# Beside its place, so that it is there whole or not at all, and a sally that runs goes on.
beside=$(mktemp "$to/.sally.XXXXXX")
take "sally-$found-$platform" "$beside"
take sally.1 "$work/sally.1"
take completion.bash "$work/completion.bash"
take completion.fish "$work/completion.fish"
chmod 755 "$beside"
[ "$("$beside" --version)" = "$found" ] || fail 'the program does not run on this machine; nothing was installed'
mv -f -- "$beside" "$to/sally"
beside=
for place in "$manual" "$bash_completion" "$fish_completion" "$mark"; do mkdir -p -- "${place%/*}"; done
cp "$work/sally.1" "$manual"
cp "$work/completion.bash" "$bash_completion"
cp "$work/completion.fish" "$fish_completion"
echo "$number $found" >"$mark"

echo "sally $found is in $to. Next: sally login --server https://YOUR-SERVER"
case :$PATH: in
  *:"$to":*) ;;
  *) echo "$to is not in your PATH. Add it, for example: echo 'export PATH=\"$to:\$PATH\"' >> ~/.profile" ;;
esac
