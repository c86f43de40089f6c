# Each target sets up what it needs in .venv. Only Python >= 3.10 with venv and pip is assumed.
# Another interpreter: make PYTHON=python3.12 demo

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
EXPLAIN := || { echo "make: the install failed; the same command without --quiet says why" >&2; exit 1; }
PYTEST_ARGS ?= -n auto --maxprocesses 4
export OMP_NUM_THREADS ?= 1

MADE := $(VENV)/.made
BASE := $(VENV)/.installed-base
DEV := $(VENV)/.installed-dev
TRAIN := $(VENV)/.installed-train

.DEFAULT_GOAL := help
.PHONY: help demo test check test-train miniature bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(BASE) ## Simulate rollouts, score them, write a report page (no torch)
	$(BIN)/roboreward demo

test: $(DEV) ## Run the tests that need no torch
	$(BIN)/python -m pytest -m "not torch" $(PYTEST_ARGS)

check: $(DEV) ## Lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-train: $(TRAIN) ## Install torch, Ray, the hub's loader and the SDKs of APIs and run the tests that need them
	$(BIN)/python -m pytest -m "torch or hub or ray or api" $(PYTEST_ARGS)

miniature: $(TRAIN) ## From nothing to a reward model and a policy that learned from it (QUICK=1: minutes, to see it work)
	$(BIN)/roboreward miniature $(if $(filter-out 0,$(QUICK)),--quick --out miniature-quick)

bench: $(BASE) ## Measure start-up (the other scripts in benchmarks/ name their own command)
	$(BIN)/python benchmarks/startup.py

clean: ## Remove the virtual environment, caches and what the demo wrote
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis demo-report miniature miniature-quick
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "make: $(PYTHON) is missing or older than Python 3.10. Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: $(PYTHON) comes without venv or pip. Install them (Debian: python3-venv) or name another: make PYTHON=... ..." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# The stamps make a second run start at once; a change of the dependencies installs again.
$(BASE): pyproject.toml | $(MADE)
	$(PIP) install --quiet --editable . $(EXPLAIN)
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(MADE)
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]" $(EXPLAIN)
	@touch $(BASE) $@

$(TRAIN): pyproject.toml constraints.txt | $(MADE)
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev,train,rl,ray,hub-tests,api,api-tests,vlm,lora,vlm-tests]" $(EXPLAIN)
	@touch $(BASE) $(DEV) $@
