# Qingka 清卡管理. `make run` and `make test` set up all they need on a fresh checkout; `make help` lists the rest.

VENV ?= .venv
BIN := $(VENV)/bin
# Processes of the test run.
WORKERS ?= 2
# The first Python here that is new enough; name another one with `make PYTHON=… …`.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest
PATHS := app tests scripts migrations

# What an environment was made from is in the name of its stamp: with nothing changed nothing is done,
# and a branch with other dependencies is noticed however old its files are.
RUN_STAMP := $(VENV)/.run-$(shell cat pyproject.toml requirements/runtime.lock | cksum | tr ' ' -)
DEV_STAMP := $(VENV)/.dev-$(shell cat pyproject.toml requirements/dev.lock | cksum | tr ' ' -)

.DEFAULT_GOAL := help
.PHONY: help setup run test e2e check fix bench chaos migration screenshots lock docker

help: ## list the targets
	@sed -n 's/^\([a-z0-9]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

# Compiled here, not at a start: where Python may not write (a directory of somebody else's, or
# PYTHONDONTWRITEBYTECODE) every start would compile six hundred modules anew.
setup: $(DEV_STAMP) ## make .venv with everything development needs
	@$(BIN)/python -m compileall -q app migrations

run: $(RUN_STAMP) ## serve the demo on http://127.0.0.1:8000
	@$(BIN)/qingka serve --demo

# A directory of its own: runs side by side tidy away each other's in the shared one.
test: $(DEV_STAMP) ## run all tests, those in a browser too
	@without=$$(sh scripts/system_packages.sh test) && \
	directory=$$(mktemp -d) && trap 'rm -rf "$$directory"' EXIT && \
	$(PYTEST) -n $(WORKERS) --dist loadfile --basetemp "$$directory" $$without $(ARGS)

e2e: $(DEV_STAMP) ## run the tests in a browser only
	@sh scripts/system_packages.sh test >/dev/null
	$(PYTEST) -m e2e $(ARGS)

check: $(DEV_STAMP) ## lint, formatting, types, import contracts, then all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PATHS)
	$(BIN)/lint-imports --no-cache
	@$(MAKE) --no-print-directory test

fix: $(DEV_STAMP) ## repair what ruff can repair, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) ## measure speed and scale: make bench ARGS="--quick"
	@$(PIP) install --require-hashes -r requirements/bench.lock
	$(BIN)/python -m scripts.bench $(ARGS)

chaos: $(DEV_STAMP) ## break things and count the promises kept: make chaos ARGS="--quick"
	@sh scripts/system_packages.sh chaos
	$(BIN)/python -m scripts.chaos $(ARGS)

migration: $(DEV_STAMP) ## draft the next migration from the models: make migration m="what changes"
	@test -n '$(m)' || { echo 'usage: make migration m="what changes"' >&2; exit 2; }
	@directory=$$(mktemp -d) && trap 'rm -rf "$$directory"' EXIT && export QINGKA_DATA_DIR="$$directory" && \
	last=$$(ls migrations/versions | sed -n 's/^0*\([0-9]*\)_.*\.py$$/\1/p' | sort -n | tail -1) && \
	$(BIN)/alembic upgrade head && \
	$(BIN)/alembic revision --autogenerate --rev-id $$(printf %04d $$((last + 1))) -m '$(m)'

screenshots: $(DEV_STAMP) ## take the pictures of the README from a fresh demo
	@sh scripts/system_packages.sh test >/dev/null
	$(BIN)/python scripts/screenshots.py

# Pins what is there; `make lock UPGRADE=--upgrade` takes the newest of everything. The larger set is resolved
# first: the runtime lock is a part of it.
COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 $(UPGRADE) \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header
lock: ## write requirements/*.lock anew from pyproject.toml
	@test -x $(BIN)/uv || $(MAKE) --no-print-directory setup
	$(COMPILE) --all-extras --group build --group dev -o requirements/dev.lock
	$(COMPILE) --extra postgres --group build -c requirements/dev.lock -o requirements/runtime.lock
	$(subst pyproject.toml,,$(COMPILE)) --group bench -c requirements/dev.lock -o requirements/bench.lock

docker: ## build the container image
	docker build -t qingka .

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed: apt-get install python3' >&2; exit 1; }
	@sh scripts/system_packages.sh python $(PYTHON) >/dev/null
	@echo 'making $(VENV)'
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): | $(BIN)/python
	@echo 'installing requirements/runtime.lock'
	@$(PIP) install --require-hashes -r requirements/runtime.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.run-* $(VENV)/.dev-* && touch $@

# The development lock holds the runtime's too, version by version.
$(DEV_STAMP): | $(BIN)/python
	@echo 'installing requirements/dev.lock'
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.run-* $(VENV)/.dev-* && touch $(RUN_STAMP) $@
