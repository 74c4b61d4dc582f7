#!/usr/bin/env bash
# Measures the page of this tree in headless Chromium against a release build: its weight, when the first message is on
# the screen, how long a key takes while messages pour in, and how a room of 100,000 messages reads back. HUBBUB names a
# program that is built already; OPENINGS, RATE, FLOOD_SECONDS and LONG are those of scripts/page/measure.js. Needs what
# `make tools` installs.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${HUBBUB:-} ]]; then
  cargo build --release
  HUBBUB=$(realpath "${CARGO_TARGET_DIR:-target}/release/hubbub")
fi
HUBBUB=$HUBBUB node --no-warnings --experimental-websocket scripts/page/measure.js
