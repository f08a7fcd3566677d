# A convenience: `pip install .` and `netparity run` do the same as `make run`.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
CONSTRAINTS ?= constraints.txt

.PHONY: run bench test test-all calibrate power setup

run: .venv/run
	$(BIN)/python compare/run.py $(ARGS)

bench: .venv/run
	$(BIN)/netparity bench $(ARGS)

test: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto

test-all: .venv/test
	$(BIN)/python -m pytest -m "slow or not slow"

calibrate: .venv/test
	$(BIN)/python tests/measure.py calibrate $(ARGS)

power: .venv/test
	$(BIN)/python tests/measure.py power chapter causes edges arithmetic ports $(ARGS)

setup: .venv/test

.venv/run: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e .
	touch $@

.venv/test: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e ".[test]"
	touch $@ .venv/run
