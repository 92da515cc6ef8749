# Two commands from a fresh machine: `make quickstart` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart test lint reference bench check-long clean

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch .venv/.installed $@

quickstart: .venv/.installed
	$(BIN)/ablate run studies/quickstart.yaml

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -n 2 --dist worksteal

check-long: .venv/.installed-dev
	$(BIN)/pytest -m long -n 2 --dist worksteal --durations=30

reference: .venv/.installed
	$(BIN)/ablate reference docs/language.md

bench: .venv/.installed
	$(BIN)/python benchmarks/counting.py
	$(BIN)/python benchmarks/mixers.py
	$(BIN)/python benchmarks/training.py

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
