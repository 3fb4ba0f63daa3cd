#!/usr/bin/env bash
# Installs the generators of clients that test_generated.py uses: .stanine/clients-venv (Python) and .stanine/clients-node (TypeScript).
# Nothing of it gets into .venv. Does nothing where a lock has not changed. Needs npm and a network; without them those tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
here=tests/integration/api/clients python=${PYTHON:-.venv/bin/python} venv=.stanine/clients-venv node=.stanine/clients-node

if ! cmp -s requirements-clients.txt "$venv/.installed"; then
  "$python" -m venv --clear "$venv"
  "$venv/bin/python" -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-clients.txt
  cp requirements-clients.txt "$venv/.installed"
fi
if ! cmp -s "$here/package-lock.json" "$node/.installed"; then
  mkdir -p "$node"
  cp "$here/package.json" "$here/package-lock.json" "$node"
  npm ci --prefix "$node" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  cp "$here/package-lock.json" "$node/.installed"
fi
