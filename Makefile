# make run    everything from a fresh checkout, on http://127.0.0.1:8080
# make test   everything that CI runs, with its own installs
# make check  the quick part: format, lint, types, layers
# make chaos  kills, stops and cuts at random against one running service: 200 seeds, about 40 minutes
# make bench  the figures of docs/benchmarks.md
# make lock   resolve the dependencies anew into the lock files

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: run test check unit e2e chaos bench lock clean
.DEFAULT_GOAL := run

# The newest Python from 3.11 on; `make PYTHON=python3.12 run` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ENGINE ?=
SEEDS ?= 200

run: .venv/run.ok
	@exec $(BIN)/streamtts up $(if $(ENGINE),--engine $(ENGINE))

test: .venv/dev.ok node_modules/.ok
	@$(MAKE) --no-print-directory check
	$(BIN)/streamtts s2-binary
	$(BIN)/python -m tests.chromium
	npm test --silent
	$(BIN)/pytest

check: .venv/dev.ok node_modules/.ok
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	npm run --silent check

unit: .venv/dev.ok
	$(BIN)/pytest tests/unit

e2e: .venv/dev.ok
	$(BIN)/pytest tests/e2e

chaos: .venv/dev.ok
	$(BIN)/streamtts s2-binary
	$(BIN)/python -m tests.faults --seeds $(SEEDS) --seconds 6

bench: .venv/dev.ok
	$(BIN)/python -m bench

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "streamtts needs Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "Making the environment in .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv

.venv/run.ok: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing $$(grep -c '^[a-z].*==' requirements.lock) packages (about 20 seconds, once)"
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.ok: requirements-dev.lock .venv/run.ok
	@echo "Installing the tools for tests and checks (about 40 seconds, once)"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

node_modules/.ok: package-lock.json
	@command -v npm >/dev/null || { echo "the checks of the frontend need Node.js 20 or newer with npm"; exit 1; }
	@npm ci --silent --no-fund --no-audit
	@touch $@

lock: .venv/run.ok
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header -p 3.11 pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header -p 3.11 pyproject.toml --extra dev --group build -o requirements-dev.lock

clean:
	rm -rf .venv node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
