#!/usr/bin/env bash
# Runs a k6 script of loadtest/ (default: smoke) and ends with its exit code: not 0 if a threshold fails.
#
#   scripts/loadtest.sh [SCRIPT]                  against a server of its own: a release build with a fresh store
#   TARGET=nginx scripts/loadtest.sh [SCRIPT]     against a cluster of its own, through nginx (rolling_restart: always)
#   TARGET=replicas scripts/loadtest.sh [SCRIPT]  the same, each socket at another replica, past nginx
#   BASE_URL=https://chat.example.org scripts/loadtest.sh [SCRIPT]   against what runs there; BASE_URLS: several, by comma
#
# HUBBUB=path is a program that is built already, STRATEGY nginx's (least_conn), REPLICAS how many (3). Everything else
# that is set in the environment k6 sees too: loadtest/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

script=${1:-smoke}
if [[ ! -f loadtest/$script.js ]]; then
    echo "loadtest: there is no loadtest/$script.js; there are: $(cd loadtest && echo ./*.js | sed 's/\.js//g; s#\./##g')" >&2
    exit 2
fi

k6=$(command -v k6 || true)
[[ -n $k6 ]] || k6=target/tools/bin/k6
if [[ ! -x $k6 ]]; then
    echo "loadtest: k6 is missing. 'make tools' puts it into target/tools; or see" >&2
    echo "https://grafana.com/docs/k6/latest/set-up/install-k6/" >&2
    exit 2
fi

# It would tell its makers that it ran.
export K6_NO_USAGE_REPORT=true

if [[ -n ${BASE_URL:-}${BASE_URLS:-} ]]; then
    exec "$k6" run --quiet "loadtest/$script.js"
fi

server=${HUBBUB:-}
if [[ -z $server ]]; then
    cargo build --release
    server=${CARGO_TARGET_DIR:-target}/release/hubbub
fi
server=$(realpath "$server")

target=${TARGET:-one}
[[ $script == rolling_restart && $target == one ]] && target=nginx

# What would stop a load test from one address (PROTOCOL section 6); all else is as it comes.
limits=(
    HUBBUB__LIMITS__CONNECTS_PER_SECOND=0
    HUBBUB__LIMITS__OPEN_PER_ADDRESS=0
    HUBBUB__LIMITS__COMMANDS_PER_SECOND=0
    HUBBUB__LIMITS__MESSAGES_PER_SECOND=0
    HUBBUB__LIMITS__API_PER_SECOND=0
)
echo "loadtest: the server runs with ${limits[*]}"
export METRICS_API_KEY=${METRICS_API_KEY:-$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')}

folder=$(mktemp -d)
stop() {
    [[ -z ${k6_pid:-} ]] || kill "$k6_pid" 2>/dev/null || true
    if [[ -n ${pid:-} ]]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    if [[ -n ${cluster:-} ]]; then
        (cd "$folder" && "$server" cluster down --purge) >/dev/null || true
    fi
    rm -rf "$folder"
}
trap stop EXIT

# In a folder of its own, so that it reads no settings file and its store is gone with it.
start_one() {
    : >"$folder/out"
    (cd "$folder" && exec env "${limits[@]}" PORT=0 RUST_LOG=warn "$server" serve) >"$folder/out" 2>"$folder/log" &
    pid=$!
    for _ in {1..200}; do
        BASE_URL=$(sed -n 's/^Hubbub is ready at //p' "$folder/out")
        [[ -n $BASE_URL ]] && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    if [[ -z $BASE_URL ]]; then
        echo "loadtest: the server did not start:" >&2
        cat "$folder/log" >&2
        exit 1
    fi
    export BASE_URL
}

start_cluster() {
    local port
    # Below those that the system gives to outgoing connections.
    port=$((20000 + RANDOM % 10000))
    cluster=1
    (cd "$folder" && exec env "${limits[@]}" RUST_LOG=warn "$server" cluster up --replicas "${REPLICAS:-3}" \
        --strategy "${STRATEGY:-least_conn}" --port "$port")
    METRICS_URLS=$(cd "$folder" && "$server" cluster status --json | replica_urls)
    export METRICS_URLS
    if [[ $target == replicas ]]; then
        export BASE_URLS=$METRICS_URLS
    else
        export BASE_URL=http://127.0.0.1:$port
    fi
}

# The addresses of the replicas, by comma, out of `hubbub cluster status --json`.
replica_urls() {
    node -e '
        const { parts } = JSON.parse(require("fs").readFileSync(0, "utf8"));
        const ports = parts.filter(({ name }) => name.startsWith("hubbub-")).map(({ port }) => port);
        console.log(ports.map((port) => `http://127.0.0.1:${port}`).join(","));'
}

memory() {
    [[ -z ${pid:-} ]] || echo "loadtest: the server has $(awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status") MB in memory $1"
}

case $target in
    one) start_one ;;
    nginx | replicas) start_cluster ;;
    *)
        echo "loadtest: TARGET is one, nginx or replicas, not '$target'" >&2
        exit 2
        ;;
esac

memory before
status=0
"$k6" run --quiet "loadtest/$script.js" &
k6_pid=$!
if [[ $script == rolling_restart ]]; then
    # Once all have come and talk.
    sleep "${RESTART_AFTER_S:-15}"
    (cd "$folder" && env "${limits[@]}" RUST_LOG=warn "$server" cluster restart) || status=$?
fi
wait "$k6_pid" || status=$?
k6_pid=
memory afterwards
if [[ -s $folder/log ]]; then cat "$folder/log" >&2; fi
exit "$status"
