# leadart's development tasks. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out/demo

.DEFAULT_GOAL := help
.PHONY: help install demo dev quick lint types fast test check coverage format schemas docs chaos equality constraints clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

# Installed once and again whenever what it is made from changes; the broker's jars come last, verified, into a cache.
$(VENV)/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo '$(PYTHON) is no Python 3.11 or newer: name one, such as make demo PYTHON=python3.12'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[engine,embedded,gateway,dev]'
	$(BIN)/python -m consumer.dev.embedded fetch
	@touch $@

install: $(VENV)/.installed ## create .venv and install everything into it

demo: install ## articles in, pictures out, on this machine; see out/demo/index.html
	$(BIN)/leadart demo --out $(OUT)

dev: install ## Kafka, S3, a worker, the gateway and its desk until Ctrl-C
	$(BIN)/leadart dev --edition

quick: install ## what to run while you work: lint, types and the fast tests, side by side; under 2 minutes on 2 cores
	$(MAKE) --no-print-directory -j2 check fast

fast: install ## the fast unit tests alone; 90 seconds
	$(BIN)/python -m pytest -q -m 'not slow' tests/unit tests/repository

# Three files at a time, since many tests wait for servers; unit tests, the shortest, come last and fill the gaps.
test: install ## every test, against real servers; half an hour on 2 cores
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m 'not alone'
	$(BIN)/python -m pytest -m alone tests/e2e tests/integration

check: lint types ## lint and types; 30 seconds, the first time 90

lint: install ## format, lint, layers, generated files; 10 seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.generate --check
	$(BIN)/python -m consumer.settings.reference --check

types: install ## mypy --strict, tests too; 20 seconds, the first time 80
	$(BIN)/mypy

coverage: install ## branch coverage of the unit and contract tests, by package; 9 minutes
	$(BIN)/python -m coverage run -m pytest -q tests/unit tests/contract
	$(BIN)/python -m tests.coverage

format: install ## format the code and fix what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: install ## write the generated parts of the contract
	$(BIN)/python -m schemas.generate

docs: install ## write the generated documents
	$(BIN)/python -m consumer.settings.reference

chaos: install ## the crash matrix: an hour, resumes where it was stopped; writes docs/reliability.md
	$(BIN)/python -m tests.chaos

equality: install ## how far pictures are from the library's; ten minutes; writes docs/benchmarks/equality.md
	$(BIN)/python -m tests.equality 7

constraints: ## pin what a fresh installation resolves to
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[engine,embedded,gateway,dev]'
	( echo '# Exact versions of everything that is installed; made by: make constraints'; \
	  $(BIN)/python -m pip list --format=freeze | grep -viE '^(leadart|pip|setuptools)==' ) > constraints.txt

clean: ## remove what was made here
	rm -rf $(VENV) out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
