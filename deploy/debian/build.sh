#!/bin/sh
# Makes a Debian package of an executable that npm run build:sally has made; needs dpkg-deb, and neither root nor a compiler.
#   deploy/debian/build.sh dist/sally 0.1.0 amd64|arm64 OUTPUT-FOLDER
# Tried for amd64: dpkg installs it into a folder and removes it. Neither arm64 nor an installation into a real system was.
set -eu
[ $# -eq 4 ] || { echo 'Usage: build.sh FOLDER VERSION amd64|arm64 OUTPUT-FOLDER' >&2; exit 2; }
folder=$1 version=$2 architecture=$3 output=$4
case $architecture in amd64) platform=linux-x64 ;; arm64) platform=linux-arm64 ;; *) echo "build.sh: no $architecture" >&2; exit 2 ;; esac
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
umask 022

put() {
  mkdir -p "$root/${2%/*}"
  cp "$folder/$1" "$root/$2"
  chmod "${3:-644}" "$root/$2"
}
put "sally-$version-$platform" usr/bin/sally 755
put completion.bash usr/share/bash-completion/completions/sally
put completion.zsh usr/share/zsh/vendor-completions/_sally
put completion.fish usr/share/fish/vendor_completions.d/sally.fish
put sally.1 usr/share/man/man1/sally.1
gzip -9n "$root/usr/share/man/man1/sally.1"
mkdir -p "$root/usr/share/doc/sally" "$root/DEBIAN"
cat >"$root/usr/share/doc/sally/copyright" <<TEXT
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: sallyport
Files: *
License: Apache-2.0
Comment: usr/bin/sally contains Node.js and the packages that the NOTICES of @sallyport/sally name.
TEXT
cat >"$root/DEBIAN/control" <<TEXT
Package: sally
Version: $version
Architecture: $architecture
Maintainer: The Sallyport project <release@sallyport.invalid>
Installed-Size: $(du -sk "$root/usr" | cut -f 1)
Depends: libc6 (>= 2.28), libstdc++6, openssh-client (>= 1:7.3)
Recommends: xdg-utils
Section: net
Priority: optional
Description: log in once in the browser, then plain ssh works
 The helper of Sallyport, a short-lived SSH certificate authority: it keeps an
 hour-long OpenSSH certificate fresh, so that ssh, scp, sftp, rsync, git and
 every editor reach what one may reach.
TEXT
# Its own compression is that of nearly the whole package: Node.
dpkg-deb --root-owner-group -Zgzip -z"${COMPRESSION:-9}" --build "$root" "$output/sally_${version}_$architecture.deb" >/dev/null
echo "$output/sally_${version}_$architecture.deb"
