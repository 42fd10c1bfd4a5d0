# Every target sets up .venv first; it needs Python 3.11 or newer, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-input
# Tests start the commands hundreds of times; compiled bytecode makes each start faster.
export PYTHONDONTWRITEBYTECODE :=
DEMO_ARGS ?=
BENCH_ARGS ?=

# More at a time than there are cores, since most tests wait for sockets and processes.
PYTEST := $(BIN)/python -m pytest -n 4 --dist worksteal

.PHONY: demo test test-peers quick lint types unit pure coverage wheel rehearse chaos bench bench-peers docs clean

# The compiled core's source stands in every room, however deep.
CORE := hatch_build.py $(shell find mexc_async -name '*.pyx' -o -name '*.px[id]')

# Make reads these stamps: a second run starts at once, a changed pyproject.toml or compiled core installs again.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another with PYTHON=...") if sys.version_info < (3, 11) else None'
	@echo "Creating the environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created pyproject.toml $(CORE)
	@echo "Installing mexc_async into $(VENV), with its compiled core ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "Installing the tools for development into $(VENV) ..."
	@$(PIP) --editable '.[dev]'
	@touch $@

demo: $(VENV)/.runtime
	@$(BIN)/mexc-async demo $(DEMO_ARGS)

# Types and the wheel keep one core busy each, the tests all of them.
test: $(VENV)/.wheelhouse
	@$(MAKE) --no-print-directory -j 2 lint types wheel
	@$(MAKE) --no-print-directory unit pure

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(VENV)/.dev
	@$(BIN)/mypy
	@$(BIN)/basedpyright

unit: $(VENV)/.dev
	@$(PYTEST)

# Tests that need no process, no simulator and no benchmark: what a change breaks shows here first.
QUICK_TESTS := $(addprefix tests/,schema spot rest \
	$(addsuffix .py,books/test_book \
	books/test_sync \
	call_log/test_anomalies \
	call_log/test_chain \
	call_log/test_entries \
	call_log/test_report \
	keys/test_key_ring \
	limits/test_gate \
	limits/test_profiles \
	limits/test_queue \
	orders/test_ids \
	orders/test_record \
	orders/test_settling \
	risk/test_exposure \
	risk/test_pre_trade \
	risk/test_risk_limits \
	runtime/test_events \
	runtime/test_log \
	runtime/test_priority_semaphore \
	runtime/test_tasks \
	streams/test_session \
	streams/test_subscriber \
	test_architecture \
	test_errors \
	test_mutations \
	transport/test_http1))

quick: lint types
	@$(PYTEST) $(QUICK_TESTS)

# The tests of the compiled core, with the pure core.
PURE_TESTS := $(addprefix tests/,$(addsuffix .py,books/test_book \
	books/test_live_book \
	books/test_sync \
	call_log/test_log \
	call_log/test_outside \
	client/test_tracebacks \
	limits/test_gate \
	limits/test_limiter \
	limits/test_queue \
	orders/test_orders \
	orders/test_prepared \
	orders/test_started \
	rehearsals/test_rehearsals \
	rest/test_signing \
	schema/test_answers \
	schema/test_endpoint \
	schema/test_protobuf \
	schema/test_query \
	spot/test_amounts \
	spot/test_push \
	spot/test_tolerance \
	streams/test_session \
	streams/test_streams \
	transport/test_http1 \
	transport/test_lane \
	transport/test_transport))

pure: $(VENV)/.dev
	@MEXC_ASYNC_PURE=1 REHEARSE_SEEDS=30 $(PYTEST) $(PURE_TESTS)

# The same tests with coverage, which takes three times as long. Fails below the percentage in pyproject.toml.
coverage: $(VENV)/.dev
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest
	@MEXC_ASYNC_PURE=1 REHEARSE_SEEDS=30 $(BIN)/coverage run -m pytest $(PURE_TESTS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

# Dependencies of the wheel, fetched during set-up, so that the test needs no network.
$(VENV)/.wheelhouse: $(VENV)/.dev
	@echo "Fetching the wheels that the test of the wheel installs ..."
	@MEXC_ASYNC_PURE=1 $(BIN)/python -m pip --disable-pip-version-check download --quiet --no-input --dest $(VENV)/wheelhouse .
	@touch $@

wheel: $(VENV)/.wheelhouse
	@$(BIN)/python tests/wheel_smoke.py $(VENV)/wheelhouse

# Orders, money and books in worlds of faults, in virtual time, on all CPUs: `make rehearse REHEARSE_SEEDS=100000`.
REHEARSE_SEEDS ?= 10000

rehearse: $(VENV)/.dev
	@REHEARSE_SEEDS=$(REHEARSE_SEEDS) $(BIN)/python -m pytest -o faulthandler_timeout=0 tests/rehearsals

# The same strategies over sockets in real time, longer than in the tests: `make chaos CHAOS_FACTOR=100`.
CHAOS_SEEDS ?= 1,2,3,4,5
CHAOS_FACTOR ?= 20
CHAOS := CHAOS_SEEDS=$(CHAOS_SEEDS) CHAOS_FACTOR=$(CHAOS_FACTOR)
# Each test has a deadline of its own; on a busy machine two thousand orders may take longer than an ordinary test.
CHAOS_ENDS := -o faulthandler_timeout=1200

chaos: $(VENV)/.dev
	@$(CHAOS) $(BIN)/python -m pytest $(CHAOS_ENDS) tests/chaos
	@$(CHAOS) MEXC_ASYNC_PURE=1 $(BIN)/python -m pytest $(CHAOS_ENDS) tests/chaos/test_sockets.py

bench: $(VENV)/.dev
	@$(BIN)/python -m benchmarks all $(BENCH_ARGS)

# The same benchmarks against other MEXC clients, in a separate environment.
$(PEERS)/.installed: pyproject.toml $(CORE)
	@echo "Creating the environment $(PEERS), with other clients of MEXC ..."
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --no-input --editable '.[dev,bench]'
	@touch $@

# Their programs against the simulator: those of docs/migration.md, ccxt in detail, and fills on bars against basana's.
test-peers: $(PEERS)/.installed
	@$(PEERS)/bin/python -m pytest -n 4 tests/sim/rest/test_ccxt.py tests/sim/market/test_basana.py tests/docs/test_migration.py

bench-peers: $(PEERS)/.installed
	@$(PEERS)/bin/python -m benchmarks all $(BENCH_ARGS)

# The tables of docs/ and the pages of docs/api/, from the declarations and docstrings. Tests check that they are up to date.
docs: $(VENV)/.dev
	@$(BIN)/python docs/tables.py
	@$(BIN)/python docs/reference.py

clean:
	rm -f mexc_async/native/_compiled.*.so mexc_async/native/_compiled.*.pyd
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* dist build
