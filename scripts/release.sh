#!/usr/bin/env bash
# Builds the program that runs on any Linux of this processor: static (musl), stripped, and its checksum beside it, in
# target/dist. The allocator is mimalloc's, so that musl's own, which is slow, has nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

machine=$(uname -m)
triple=$machine-unknown-linux-musl
if ! command -v musl-gcc > /dev/null; then
  echo "release: musl-gcc is missing; SQLite and the cryptography are built with it: apt-get install musl-tools" >&2
  exit 2
fi
if command -v rustup > /dev/null && ! rustup target list --installed | grep -qx "$triple"; then
  rustup target add "$triple"
fi
cargo build --release --locked --target "$triple"

folder=${CARGO_TARGET_DIR:-target}
version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
name=hubbub-$version-$machine-linux
mkdir -p "$folder/dist"
strip -o "$folder/dist/$name" "$folder/$triple/release/hubbub"
cd "$folder/dist"
if LC_ALL=C readelf --program-headers "$name" | grep -q INTERP; then
  echo "release: $name is not static" >&2
  exit 1
fi
sha256sum "$name" | tee "$name.sha256"
"./$name" --version
stat --format='%n: %s bytes' "$name"
