# Everything needs Python 3.11 or newer and make, nothing else. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help run test lint types format bench chaos flows translations demo-reset clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1mmake %-11s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.runtime ## Start Regulars: the demo unless Twilio is configured (.env.example lists all settings)
	@exec $(BIN)/python -m bot serve --or-demo

test: $(VENV)/.development ## Run all tests; ARGS="-k balance" picks some (PostgreSQL and browser tests skip when there is none)
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

lint: $(VENV)/.development ## Check style and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.development ## Check types, strictly in bot/engine and storage
	@$(BIN)/mypy

format: $(VENV)/.development ## Bring all files to the house format
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(VENV)/.development ## Measure the server beside the conventional floor; ARGS="--rounds 3 --customers 100" for a short look, ARGS="--crowd 1000000" for size
	@$(BIN)/python -m tests.bench.run $(ARGS)

chaos: $(VENV)/.development ## Repeat, shuffle, forge and kill, and check that nothing is lost or done twice
	@$(BIN)/python -m tests.chaos.run $(ARGS)

flows: $(VENV)/.runtime ## Check the flow files, play their transcripts, and show what they cover
	@$(BIN)/python -m bot flows check && $(BIN)/python -m bot flows test --coverage

translations: $(VENV)/.development ## Collect what the console says into its .po files, for whoever translates
	@$(BIN)/python -m tests.console.words

demo-reset: ## Forget the demo's data; the next `make run` begins anew
	rm -rf var

clean: ## Remove everything that was built or cached, but no data
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Install Python 3.11 or newer."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Regulars needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt | $(BIN)/python
	@echo "Installing requirements.txt (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.development: requirements-dev.txt requirements.txt | $(BIN)/python
	@echo "Installing requirements-dev.txt (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.runtime
