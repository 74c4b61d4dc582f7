#!/usr/bin/env bash
# Measures the page of this tree in headless Chromium against a release build: its weight, when the first message is on
# the screen, and how long a key takes while messages pour in. HUBBUB names a program that is built already; OPENINGS,
# RATE and FLOOD_SECONDS are those of scripts/page/measure.js. Needs what `make tools` installs.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${HUBBUB:-} ]]; then
  cargo build --release
  HUBBUB=$(realpath "${CARGO_TARGET_DIR:-target}/release/hubbub")
fi
HUBBUB=$HUBBUB node --no-warnings --experimental-websocket scripts/page/measure.js
