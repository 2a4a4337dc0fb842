# Tasks for developers and schedulers. `make` alone lists them.
.DEFAULT_GOAL := help
BIN := .venv/bin
ARGS ?=
MINUTES ?= 10
PAIR ?= 4.1.3

.PHONY: help setup run test test-slow test-pair test-clock soak fuzz test-dags bench bench-quick bench-targets bench-ads dags airflow airflow-demo docs new-table lint format lock clean

help: ## List all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Create .venv, find Java, download Delta's JARs and the public log (under 1 s when already done)
	@bin/setup

run: setup ## Simulate a part of a day, import the public log, and run both into ./lake (ARGS=... adds options)
	@$(BIN)/feed-etl demo $(ARGS)

test: setup ## Run the tests in two processes (ARGS=... for pytest, e.g. ARGS='-n 0 -k jars -x')
	@$(BIN)/pytest -q -n 2 --dist loadfile $(ARGS)

test-slow: setup ## Run the tests that take minutes each: separate executors, any order of hours, killed backfills
	@$(BIN)/pytest -q -m slow $(ARGS)

test-pair: setup ## Test another supported pair of Spark and Delta in its own environment (PAIR=4.1.3)
	@bin/setup-pair $(PAIR)
	@.venv-spark-$(PAIR)/bin/python -m pytest -q -n 0 -m '' tests/engine/delta/test_signatures.py tests/pairs/test_pair.py $(ARGS)

test-clock: setup ## Run tests with a clock at 23:59:50, and at the end of a 29 February (ARGS=... for pytest)
	@bin/test-clock $(ARGS)

soak: setup ## Test kills, concurrent jobs and hostile files for hours (ARGS='--kills 200 --concurrent 100 --files 10000 --generations 1000' is the default)
	@PYTHONPATH=tests:. $(BIN)/python -m soak $(ARGS)

fuzz: setup ## Search for settings and arguments that break the command line, guided by coverage (MINUTES=10)
	@mkdir -p .hypothesis; VIRTUAL_ENV=$(CURDIR)/.venv timeout -s INT $(MINUTES)m $(BIN)/uv run -q --no-project --active --python $(BIN)/python \
		--with-requirements requirements-fuzz.lock hypothesis fuzz --no-dashboard -n 1 -- tests/fuzz > .hypothesis/fuzz.log 2>&1; \
		[ $$? = 124 ] || tail -n 3 .hypothesis/fuzz.log
	@$(BIN)/pytest -q -n 0 tests/fuzz

test-dags: setup ## Run the tests of the DAGs in the environment of Airflow
	@bin/setup-airflow
	@.venv-airflow/bin/pytest -q --confcutdir tests/dags tests/dags $(ARGS)

bench: setup ## Time an hour of 4 M impressions against plain PySpark, DuckDB and Polars (20 GB of disk, half an hour)
	@$(BIN)/python -m bench $(ARGS)

bench-quick: setup ## Run `bench` once with 500,000 impressions
	@$(BIN)/python -m bench --impressions 500000 --rounds 1 $(ARGS)

bench-targets: setup ## Measure ratios of our own runs: skew, scale, a second run, a look-up, a small hour
	@$(BIN)/python -m bench.targets $(ARGS)

bench-ads: setup ## Time 10 M raw clicks against plain PySpark, and with a hot ad against none
	@$(BIN)/python -m bench.ads $(ARGS)

dags: setup ## Generate the table list for Airflow, and the DAGs as text for a review
	@bin/setup-airflow
	@$(BIN)/python -m etl.airflow.tables
	@.venv-airflow/bin/python tests/dags/edges.py

airflow: setup ## Start a complete local Airflow with these DAGs (its state is in ./airflow-home)
	@bin/setup-airflow
	@bin/airflow-up

airflow-demo: setup ## Run an hour, failing audits with mails, and backfills with a real scheduler; exit code 0 or 1
	@bin/setup-airflow
	@PYTHONPATH=tests:. $(BIN)/python -m support.airflow.demo $(ARGS)

lint: setup ## Check style, format and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: setup ## Format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: setup ## Generate the pages of all tables (docs/tables)
	@$(BIN)/feed-etl docs

new-table: setup ## Generate a table's module, suite and test file (NAME=fct_x LAYER=facts)
	@$(BIN)/feed-etl new-table "$(NAME)" --layer "$(LAYER)"

COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-annotate \
	--custom-compile-command 'make lock' -q

# One resolution of all packages, so that the environments agree. It is only needed while the lock files are written.
AGREED := .venv/agreed.txt

lock: setup ## Resolve versions and hashes of all packages again (ARGS=--upgrade for the newest versions)
	@sed -n 's/^\([a-z].*==[^\\]*\).*/\1/p' requirements.lock requirements-airflow.lock | sort -u > $(AGREED)
	@$(COMPILE) setup.cfg pyproject.toml --all-extras $(ARGS) -o $(AGREED)
	@$(COMPILE) setup.cfg pyproject.toml --extra otel --extra test --extra bench --extra dev -c $(AGREED) --generate-hashes \
		-o requirements.lock
	@printf '%s\n' 'moto[s3]' flask flask-cors | $(COMPILE) - --generate-hashes -o requirements-s3.lock
	@echo hypofuzz | $(COMPILE) - -c $(AGREED) --generate-hashes -o requirements-fuzz.lock
	@echo pyspark==4.1.3 | $(COMPILE) - --generate-hashes -o requirements-spark-4.1.3.lock
	@bin/setup-airflow --packages | $(COMPILE) - -c $(AGREED) --generate-hashes -o requirements-airflow.lock

clean: ## Remove .venv, caches and build output; the landing zone and the lake stay
	@rm -rf .venv .venv-airflow .venv-spark-* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	@rm -rf spark-warehouse metastore_db derby.log
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
