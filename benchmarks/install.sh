#!/usr/bin/env bash
# Install the peers of the benchmarks: two virtual environments under .stanine/ and benchmarks/node_modules; .venv is not
# changed. Skips environments whose lock is unchanged. Without Node the Node peers are omitted.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}

environment() { # name, lock
  local at=.stanine/$1 lock=$2
  if ! cmp -s "$lock" "$at/.installed"; then
    "$python" -m venv --clear "$at"
    "$at/bin/python" -m pip --disable-pip-version-check --quiet install --require-hashes -r "$lock"
    cp "$lock" "$at/.installed"
  fi
}

mkdir -p .stanine
environment bench-venv requirements-bench.txt
environment bench-venv-redis5 requirements-bench-redis5.txt

if command -v npm >/dev/null; then
  if ! cmp -s benchmarks/package-lock.json benchmarks/node_modules/.installed; then
    # `install --no-save`, not `ci`: the lock has optional packages of Linux only, which `ci` reports as out of date.
    npm install --no-save --prefix benchmarks --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    cp benchmarks/package-lock.json benchmarks/node_modules/.installed
  fi
else
  echo "npm is not installed: the benchmarks omit BullMQ and Fastify" >&2
fi
