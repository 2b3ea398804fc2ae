# The commands of the house. On a fresh machine with Python 3.11+: `make run`, then `make test`.

# A distribution's own Python is a tenth faster than one that pyenv built as it does by default.
SYSTEM_PYTHON := /usr/bin/python3
PYTHON ?= $(shell $(SYSTEM_PYTHON) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' \
  2>/dev/null && echo $(SYSTEM_PYTHON) || echo python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Where nothing may be kept of what was compiled, each process that a test starts compiles it anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install run static check test lock clean

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

install: $(INSTALLED) ## Prepare .venv from the pinned lock (quick when nothing changed)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "PMS needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Install a newer one and name it: make install PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  echo "Creating $(VENV) with $$($(PYTHON) --version)"; \
	  $(PYTHON) -m venv --clear $(VENV) || { \
	    echo "Python's venv module is incomplete here. On Debian or Ubuntu: apt install python3-venv" >&2; \
	    exit 1; }; }
	@echo "Installing the pinned packages (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

run: install ## Start everything with a live demo market (Ctrl-C stops it cleanly)
	@$(BIN)/pms demo

static: install ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: static ## The fast gate: all that is static, and the fast tests
	$(BIN)/pytest -q -n 2 -m "not services and not slow and not crash"

test: install ## The whole suite, against real PostgreSQL, Valkey and Kafka
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder

lock: ## Resolve requirements.in anew (needs uv on the path)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --quiet --upgrade requirements.in -o requirements.lock

clean: ## Remove the virtual environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
