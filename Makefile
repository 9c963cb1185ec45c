# The project's commands. Needs make and Python 3.10 or newer; everything else goes into $(VENV).
# Written for GNU make 3.81, which is what macOS ships.

PYTHON ?= python3
VENV ?= .venv
# Without the tests that show at length what shorter ones show; all: make test PYTEST_ARGS="-n 2".
# Tests wait for half of their time: four processes keep two cores busy. Each has a row of tests
# that share clusters, and takes from the others' rows when its own is done.
PYTEST_ARGS ?= -n 4 --dist worksteal -m "not thorough"
BENCH_ARGS ?=
PARTITION ?= pymonik
EDITS ?= 500
SEEDS ?= 1000
FIRST ?= 0
SEED ?= 1

BIN := $(VENV)/bin
PINS := pyproject.toml constraints.txt
# A recipe says why it stopped, and which Python would do.
WANTED := import sys; sys.exit(sys.version_info < (3, 10))
FOUND := import sys; print("%d.%d.%d" % sys.version_info[:3])

.DEFAULT_GOAL := help
.PHONY: help demo test edits faults check format bench conformance clean
.SUFFIXES:

help: ## show this list
	@echo "usage: make TARGET [PYTHON=python3.12] [VENV=.venv]"
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.demo ## run the value-at-risk example, then draw its graph
	@echo "==> Value at risk on all cores: examples/value_at_risk.py"
	@$(BIN)/python examples/value_at_risk.py
	@echo "==> Its graph, and the plan it compiles to: pymonik graph show"
	@$(BIN)/pymonik graph show examples/value_at_risk.py

test: $(VENV)/.test ## run the tests (PYTEST_ARGS="-n 2": the thorough ones, too)
	@# Executors and workers are processes by the thousand: none should compile the package anew.
	@$(BIN)/python -m compileall -q pymonik tests >/dev/null 2>&1 || true
	@echo "==> Running the tests (all of them: make test PYTEST_ARGS='-n 2')"
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest $(PYTEST_ARGS)

edits: $(VENV)/.test ## edit cached programs in 500 places (EDITS=..., SEED=...)
	@echo "==> Comparing cached with uncached values after $(EDITS) edits"
	@PYMONIK_EDITS=$(EDITS) PYMONIK_EDITS_SEED=$(SEED) $(BIN)/python -m pytest -s -o faulthandler_timeout=0 tests/cache/test_edits.py

faults: $(VENV)/.test ## run programs on a thousand bad days (SEEDS=..., FIRST=...)
	@echo "==> Breaking things under $(SEEDS) programs (about two seconds each)"
	@$(BIN)/python -m tests.faults.storm.storm --seeds $(SEEDS) --first $(FIRST)

check: $(VENV)/.test ## lint, formatting, strict types
	@echo "==> ruff check"
	@$(BIN)/ruff check .
	@echo "==> ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "==> mypy --strict"
	@$(BIN)/mypy

format: $(VENV)/.test ## rewrite the code in the project's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.bench ## measure against other libraries (BENCH_ARGS=...)
	@echo "==> Running the benchmarks"
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

# What it asks of the cluster is told in worker/README.md.
conformance: $(VENV)/.test ## run the programs of the tests on a cluster (ENDPOINT=host:port PARTITION=name)
	@test -n "$(ENDPOINT)" || \
	  { echo "error: which cluster? make conformance ENDPOINT=host:port PARTITION=name"; exit 1; }
	@echo "==> Running the conformance programs and the guide on $(ENDPOINT), partition $(PARTITION)"
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -o timeout=600 -o faulthandler_timeout=1800 --endpoint $(ENDPOINT) \
	  --partition $(PARTITION) $(if $(SHARED_FILES),--shared-files) tests/conformance tests/guide

clean: ## remove the virtual environment and the caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

# One virtual environment; a stamp per extra, older than neither the pins nor the environment.
$(VENV)/.made:
	@$(PYTHON) -c '$(FOUND)' >/dev/null 2>&1 || \
	  { echo "error: '$(PYTHON)' does not run here: say which Python to use, as in 'make PYTHON=python3.12 demo'"; exit 1; }
	@$(PYTHON) -c '$(WANTED)' || \
	  { echo "error: '$(PYTHON)' is Python $$($(PYTHON) -c '$(FOUND)'), PymoniK needs 3.10 or newer:" \
	         "say which to use, as in 'make PYTHON=python3.12 demo'"; exit 1; }
	@echo "==> Making a virtual environment in $(VENV) with Python $$($(PYTHON) -c '$(FOUND)')"
	@$(PYTHON) -m venv --clear $(VENV) || \
	  { echo "error: '$(PYTHON)' cannot make virtual environments (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@touch $@

$(VENV)/.demo $(VENV)/.test $(VENV)/.bench: $(VENV)/.made $(PINS)
	@echo "==> Installing PymoniK with what '$(patsubst .%,%,$(@F))' needs (a minute or two, once)"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet \
	  --constraint constraints.txt --editable '.[$(patsubst .%,%,$(@F))]'
	@touch $@
