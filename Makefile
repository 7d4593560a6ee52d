# Each target is one sentence in `make help`. Set-up is idempotent: everything starts with it.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# Radios and doors take their time: two processes wait side by side. A file stays in one of them.
JOBS ?= 2
QUICK := tests/protocol tests/firmware tests/kannuki tests/test_import_contract.py

.PHONY: help setup demo check test soak vectors lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing: system parts, .venv, locked packages, the project
	@packaging/setup.sh run

demo: setup ## run a small town on this machine and open its page
	$(BIN)/kannuki demo

check: setup ## lint, types, import contracts and the quick tests (seconds)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q -m "not slow and not soak" $(QUICK)

test: ## everything: quick tests, system tests, both depths, browser
	@packaging/setup.sh test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -n $(JOBS) --dist loadfile -m "not soak"

soak: ## the long runs: faults for minutes, memory, leaks
	@packaging/setup.sh test
	$(PYTEST) -m soak --timeout 3600

vectors: setup ## make protocol/vectors and docs/spec/asyncapi.json anew
	$(BIN)/python -m tests.protocol.generate_vectors
	$(BIN)/python -m kannuki.asyncapi

lock: setup ## resolve again every package in requirements/lock.txt, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade \
	  --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command 'make lock' --output-file requirements/lock.txt pyproject.toml

clean: ## remove the environment and every cache
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache *.egg-info
