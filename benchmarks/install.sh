#!/usr/bin/env bash
# Installs what the benchmarks compare Stanine with: two virtual environments under .stanine/ and benchmarks/node_modules.
# Nothing of it gets into .venv. Does nothing where a lock has not changed. Without Node the Node peers are left out.
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
    # `install --no-save`, not `ci`: the lock holds optional packages of Linux only, which `ci` takes for out of date.
    npm install --no-save --prefix benchmarks --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    cp benchmarks/package-lock.json benchmarks/node_modules/.installed
  fi
else
  echo "npm is not there: the benchmarks leave BullMQ and Fastify out" >&2
fi
