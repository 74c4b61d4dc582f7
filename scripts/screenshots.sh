#!/usr/bin/env bash
# Makes the pictures of README.md and docs/ afresh (docs/img/*.png), from this tree's page and server.
# HUBBUB names a program that is built already. Needs what `make tools` installs.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! fc-list ":charset=1f389" | grep -q .; then
  echo "screenshots: no font has emoji; Debian calls one fonts-noto-color-emoji" >&2
  exit 2
fi

if [[ -z ${HUBBUB:-} ]]; then
  cargo build
  HUBBUB=$(realpath "${CARGO_TARGET_DIR:-target}/debug/hubbub")
fi
HUBBUB=$HUBBUB node --no-warnings --experimental-websocket scripts/page/screenshots.js
HUBBUB=$HUBBUB node --no-warnings --experimental-websocket scripts/page/screenshots-admin.js
ls -l docs/img
