# Everything a newcomer needs: a Python >= 3.11 with venv, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: reproduce test lint types imports suite coverage bench scenarios clean

reproduce: $(VENV)/.installed  ## start a site with an embedded PostgreSQL, show the whole failure table
	$(BIN)/cmemu reproduce $(ARGS)

test: lint types imports suite  ## linters, type checks, import contracts, the whole test suite

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy

imports: $(VENV)/.installed
	$(BIN)/lint-imports

suite: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

coverage: $(VENV)/.installed  ## PROTOCOL.md: what is proven of the wire protocol, and by which test
	$(BIN)/python -m tests.coverage_page

bench: $(VENV)/.installed  ## the figures of the README; never part of the test suite
	$(BIN)/python -m tests.benchmarks.content
	$(BIN)/python -m tests.benchmarks.startup
	$(BIN)/python -m tests.benchmarks.failure_table
	$(BIN)/python -m tests.benchmarks.idle_memory
	$(BIN)/python -m tests.benchmarks.parser
	$(BIN)/python -m tests.benchmarks.policy

scenarios: $(VENV)/.installed  ## play every shipped scenario file
	$(BIN)/python -m tests.benchmarks.scenarios $(ARGS)

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
