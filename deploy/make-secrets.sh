#!/bin/sh
# Makes the secrets that docker-compose.yml reads, in deploy/secrets/. Never overwrites one.
set -eu

folder=${1:-$(dirname "$0")/secrets}
# The folder keeps others out. The files inside may be read by the containers' users, whose ids are not yours.
mkdir -p "$folder"
chmod 700 "$folder"

make() {
  if [ -e "$folder/$1" ]; then return; fi
  cat > "$folder/.$1"
  chmod 644 "$folder/.$1"
  mv "$folder/.$1" "$folder/$1"
  printf 'made %s\n' "$folder/$1"
}

od -An -tx1 -N24 /dev/urandom | tr -d ' \n' | make postgres_password
printf 'postgres://sallyport:%s@postgres/sallyport' "$(cat "$folder/postgres_password")" | make database_url
: | make gateway_token
if [ ! -e "$folder/oidc_client_secret" ]; then
  printf 'now put the client secret of your identity provider into %s\n' "$folder/oidc_client_secret"
fi
