# Everything runs in .venv of this checkout, which is created if it is missing or a lock has changed.
# Requires Python 3.11 or newer. `make PYTHON=python3.12 test` selects another interpreter.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# without pip's notice about its own version
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo up test check bench soak

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

demo: $(READY)  ## start everything, score 2,800 real people, print the results, remove everything
	@$(BIN)/stanine demo

up: $(READY)  ## start everything on this machine and keep it running until Ctrl-C
	@$(BIN)/stanine up

test: $(READY)  ## run all tests; those that fail while others run are repeated once, alone
	@tests/run.sh

check: $(READY)  ## check lint, format, types, and dependencies between the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## run all benchmarks and their comparisons, update docs/reference/benchmarks.md (half an hour; QUICK=1: minutes)
	@benchmarks/run.sh

$(READY): requirements-dev.txt requirements-data.txt requirements-data-build.txt pyproject.toml
	@echo "making .venv (about a minute, once)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@$(PIP) install --require-hashes -r requirements-data-build.txt
	@$(PIP) install --require-hashes --no-deps --no-build-isolation -r requirements-data.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

soak: $(READY)  ## run the long tests: restored older data, ten rounds of five faults; 100 erasure races; 10,000 sessions under kills (about an hour)
	STANINE_RESTORES=$${STANINE_RESTORES:-10} $(BIN)/python -m pytest tests/integration/restores -s
	STANINE_RACES=$${STANINE_RACES:-100} $(BIN)/python -m pytest tests/integration/api/test_people_erasure.py -k race
	STANINE_SESSIONS=$${STANINE_SESSIONS:-10000} $(BIN)/python -m pytest tests/integration/whole/test_session_kills.py -s -k lost
