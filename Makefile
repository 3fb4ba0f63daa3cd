# Everything runs in .venv of this checkout, which is made here when it is missing or a lock has changed.
# Needs Python 3.11 or newer and make. `make PYTHON=python3.12 test` chooses another interpreter.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# pip's notice about its own version is no news to anyone who runs make
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo up test check bench soak

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

demo: $(READY)  ## start everything, score 2,800 real people, print what came out, leave nothing behind
	@$(BIN)/stanine demo

up: $(READY)  ## start everything on this machine and keep it running until Ctrl-C
	@$(BIN)/stanine up

# Most tests wait for their servers, so one file more at a time than there are processors. The cluster's tests mostly wait for pods; they are
# skipped without KUBECONFIG. Those marked `alone` change what all releases of a cluster share.
test: $(READY)  ## run all tests
	$(BIN)/python -m pytest --numprocesses $$($(BIN)/python -c 'import os; print(len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 3)') --dist loadfile -m "not cluster"
	$(BIN)/python -m pytest tests/cluster --numprocesses 2 --dist loadfile -m "not alone"
	$(BIN)/python -m pytest tests/cluster -m alone

check: $(READY)  ## lint, format, types, and the arrows between the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## measure everything beside its peers, draw the plots, fill docs/reference/benchmarks.md (half an hour; QUICK=1: minutes)
	@benchmarks/run.sh

$(READY): requirements-dev.txt requirements-data.txt requirements-data-build.txt pyproject.toml
	@echo "making .venv (about a minute, once)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@$(PIP) install --require-hashes -r requirements-data-build.txt
	@$(PIP) install --require-hashes --no-deps --no-build-isolation -r requirements-data.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

soak: $(READY)  ## the long runs: servers that come back with older data, ten rounds of each of five faults; 100 races of erasure; 10,000 sessions under kills (about an hour)
	STANINE_RESTORES=$${STANINE_RESTORES:-10} $(BIN)/python -m pytest tests/integration/restores -s
	STANINE_RACES=$${STANINE_RACES:-100} $(BIN)/python -m pytest tests/integration/api/test_people_erasure.py -k race
	STANINE_SESSIONS=$${STANINE_SESSIONS:-10000} $(BIN)/python -m pytest tests/integration/whole/test_session_kills.py -s -k lost
