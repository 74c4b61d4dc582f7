#!/usr/bin/env bash
# Makes the pictures of README.md and docs/ afresh (docs/img/*.png), from this tree's page and server.
# HUBBUB names a program that is built already. Needs what `make tools` installs.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${HUBBUB:-} ]]; then
  cargo build
  HUBBUB=$(realpath "${CARGO_TARGET_DIR:-target}/debug/hubbub")
fi
HUBBUB=$HUBBUB node --no-warnings --experimental-websocket scripts/page/screenshots.js
ls -l docs/img
