# make train: a first run. make test: checks and fast tests. make test-all: all tests. make docs: the
# documentation in docs/_build/html. make bench: speed against bare loops; DATA=data_root=FOLDER: real clips.
PYTHON ?= python3
BIN := .venv/bin
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: setup train test test-all check docs bench bench-large clean

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

docs: setup
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

QUICK := prepare logmel open_cache epoch features memory growth start step

bench: setup
	set -e; for name in $(QUICK); do $(BIN)/python -m benchmarks.$$name $(DATA); done

# Long benchmarks: growth with the number of clips and, with DATA, the whole archive.
bench-large: setup
	$(BIN)/python -m benchmarks.growth clips=100000 repeats=2
	$(BIN)/python -m benchmarks.memory clips=100000
	$(BIN)/python -m benchmarks.prepare clips=8000 $(DATA)
	$(BIN)/python -m benchmarks.open_cache clips=11318 $(DATA)
	$(BIN)/python -m benchmarks.epoch model=mobilenet_v3 $(DATA)
	$(BIN)/python -m benchmarks.settings $(DATA)
	$(BIN)/python -m benchmarks.loader $(DATA)

clean:
	rm -rf .venv build docs/_build docs/reference *.egg-info
