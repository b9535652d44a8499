# make train: a first run. make test: the four checks. make test-all: the slow tests too.
PYTHON ?= python3
BIN := .venv/bin
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: setup train test test-all check clean

setup: .venv/.done

.venv/.done: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

train: setup
	$(BIN)/emotion train

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest -q -n 2 -m "not slow"

test-all: check
	$(BIN)/pytest -q -n 2

clean:
	rm -rf .venv build *.egg-info
