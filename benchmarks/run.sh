#!/usr/bin/env bash
# Run all benchmarks and write figures, plots and tables into docs/ (`make bench`). About half an hour; QUICK=1: four
# minutes. Run it on an idle machine. STANINE_TOXIPROXY may name a toxiproxy-server.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
out=docs/reference/benchmarks
quick=${QUICK:+--quick}

PYTHON=$python benchmarks/install.sh
mkdir -p "$out"
$python -m benchmarks.compare $quick --json --output "$out/compare.json" >/dev/null
if command -v wrk >/dev/null; then
  $python -m benchmarks.http $quick --json --output "$out/http.json" >/dev/null
else
  echo "wrk is not installed (Debian: apt-get install wrk): HTTP is not measured" >&2
fi
$python -m benchmarks.scoring --json --output "$out/scoring.json" >/dev/null
$python -m benchmarks.memory --json ${QUICK:+--attempts 10000} --output "$out/memory.json" >/dev/null
$python -m benchmarks.server_time --json ${QUICK:+--rounds 2} --output "$out/server_time.json" >/dev/null
$python -m benchmarks.growth $quick --json --output "$out/growth.json" >/dev/null
$python -m benchmarks.pages --json ${QUICK:+--seconds 2} --output "$out/pages.json" >/dev/null
$python -m benchmarks.report
