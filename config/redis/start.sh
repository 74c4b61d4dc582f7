#!/bin/sh
# Starts Redis in a container with the redis.conf and the users.acl beside this file, and its data in REDIS_DATA (/data).
# The password of the user `api-chat` comes from REDIS_PASSWORD, or from the file that REDIS_PASSWORD_FILE names (a secret
# of Swarm or Kubernetes). Needs no root. Arguments go to redis-server: `start.sh --maxmemory 2gb`.
set -eu

here=$(dirname "$0")
password=${REDIS_PASSWORD:-}
if [ -n "${REDIS_PASSWORD_FILE:-}" ]; then
  password=$(cat "$REDIS_PASSWORD_FILE")
fi
# It also stands in REDIS_URL, where anything else would have to be encoded.
case $password in
  '' | *[!A-Za-z0-9._~-]*)
    echo "REDIS_PASSWORD is needed, of letters, digits and ._~- only: openssl rand -hex 32" >&2
    exit 2
    ;;
esac

data=${REDIS_DATA:-/data}
made=${TMPDIR:-/tmp}
# Made afresh at each start: a new password needs only a restart, and the files here may be mounted read-only.
umask 077
hash=$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)
sed "s/#0\{64\}/#$hash/" "$here/users.acl" > "$made/users.acl"
sed -e "s|^dir .*|dir $data|" -e "s|^aclfile .*|aclfile $made/users.acl|" "$here/redis.conf" > "$made/redis.conf"
exec redis-server "$made/redis.conf" "$@"
