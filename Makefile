# A newcomer needs git, make and Python 3.10 or newer with venv: `make demo`.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
# Written last, so that a set-up that was cut short is taken up again.
READY := $(VENV)/ready
DEMO_READY := $(VENV)/ready-for-demo
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check \
	--no-input --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-full test-all test-lowest \
	test-sdk-next mutate bench docs pictures lint format constraints clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

demo: $(if $(wildcard $(READY)),$(READY),$(DEMO_READY)) ## see the whole product at work; KEEP=1 leaves the sandbox up
	@$(BIN)/python -m demo $(if $(KEEP),--keep)

test: $(READY) ## run the tests; ARGS='-k plan' for some of them
	$(BIN)/python -m pytest -n 2 $(ARGS)

test-fast: $(READY) ## run the unit and integration tests, in less than a minute
	$(BIN)/python -m pytest -n 2 -m "not slow" tests/unit tests/integration $(ARGS)

test-full: $(READY) ## run the tests with all examples, kills and attacks
	FULL_TESTS=1 $(BIN)/python -m pytest -n 2 $(ARGS)

test-all: ## run the tests on each Python from 3.10 to 3.14 that is here
	@MAKE=$(MAKE) scripts/test-all.sh

# Each in an environment of its own, made anew; without what needs Meltano or a browser.
TESTS_BESIDE := tests/unit tests/integration \
	$(addprefix tests/e2e/test_,command.py crash.py secrets.py signals.py)
define test_beside
	$(PYTHON) -m venv --clear $(1)
	$(BIN)/uv pip install --quiet --no-config --python $(1)/bin/python \
		--editable '.[sandbox]' $(2)
	$(BIN)/uv pip install --quiet --no-config --python $(1)/bin/python --group test
	$(BIN)/uv pip list --quiet --no-config --python $(1)/bin/python
	$(1)/bin/python -m pytest -n 2 $(TESTS_BESIDE) $(ARGS)
endef

test-lowest: $(READY) ## run the tests with the lowest versions that pyproject.toml allows
	$(call test_beside,.venv-lowest,--resolution lowest-direct)

test-sdk-next: $(READY) ## run the tests with the newest pre-release of the SDK
	$(call test_beside,.venv-sdk-next,'singer-sdk>=0.55.0b1')

mutate: $(READY) ## show which changes to FILE no unit test notices; TESTS='...' for others
	@$(PIP_INSTALL) --group mutation
	BIN=$(BIN)/ scripts/mutate.sh $(FILE) $(TESTS)

bench: $(READY) ## measure beside a plain target; takes 17 minutes, or ARGS='--repeats 1'
	$(BIN)/python -m benchmarks.bench $(ARGS)

docs: $(READY) ## write settings and properties into the documentation
	$(BIN)/python scripts/settings_docs.py

pictures: $(READY) ## make the pictures of the documentation again
	PYTHONPATH=. $(BIN)/python scripts/pictures.py

lint: $(READY) ## check style, spelling, types and the order of the imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy -p target_upwell -p demo -p benchmarks
	$(BIN)/mypy scripts

format: $(READY) ## put the code into its style
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

constraints: $(READY) ## lock dependencies again; ARGS=--upgrade for new releases
	$(BIN)/uv pip compile pyproject.toml --quiet --no-config --universal \
		--python-version 3.10 --extra sandbox --group dev --group mutation --group locked \
		--no-annotate --no-header --output-file constraints.txt $(ARGS)

clean: ## remove the virtual environment and whatever runs left behind
	rm -rf .venv .venv-* .demo .hypothesis .meltano .mutation .mypy_cache .pytest_cache \
		.ruff_cache build dist

$(READY): GROUP := dev
# Less than for the tests: the target, the sandbox, PostgreSQL and Meltano.
$(DEMO_READY): GROUP := demo
$(READY) $(DEMO_READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and \
		"Python 3.10 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Setting up $(VENV); the first time this takes a minute or so."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --upgrade pip
	@$(PIP_INSTALL) --build-constraint constraints.txt --editable '.[sandbox]' \
		--group $(GROUP)
	@touch $@
