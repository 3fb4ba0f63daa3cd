#!/usr/bin/env bash
# Run all tests in three parts. Used by `make test`. Ends with a nonzero status if a test fails twice.
#
# Most tests wait for their servers, so the number of processes is that of the processors plus one. Tests of the cluster
# mostly wait for pods; they are skipped without KUBECONFIG. Those marked `alone` change objects that all releases of a
# cluster share. Tests that fail while others run are repeated once, one at a time, because a busy machine must not fail
# a test; those that then pass are listed as unstable, and their cause is a defect to be mended.
set -uo pipefail
cd "$(dirname "$0")/.."

python=.venv/bin/python
processes=$($python -c 'import os; print(len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 3)')
# pytest's list of failed tests
record=.pytest_cache/v/cache/lastfailed
# more failures than this are not caused by load
most=8
broken=()
unstable=()

run() {
  local code failed
  rm -f "$record"
  $python -m pytest "$@" && return
  code=$?
  if [ $code -ne 1 ]; then exit $code; fi # interrupted, or tests that cannot be read
  failed=$($python -c 'import json, sys; print("\n".join(json.load(open(sys.argv[1]))))' "$record")
  if [ "$(wc -l <<<"$failed")" -le $most ] && echo "repeating what failed, one at a time" &&
    $python -m pytest "$@" --last-failed --numprocesses 0; then
    unstable+=("$failed")
  else
    broken+=("$failed")
  fi
}

run --numprocesses "$processes" --dist loadfile -m "not cluster"
run tests/cluster --numprocesses 2 --dist loadfile -m "not alone"
run tests/cluster -m alone

if [ ${#unstable[@]} -gt 0 ]; then
  printf '%s\n' "unstable: failed while other tests ran, passed alone:" "${unstable[@]}"
fi
if [ ${#broken[@]} -gt 0 ]; then
  printf '%s\n' "failed:" "${broken[@]}"
  exit 1
fi
