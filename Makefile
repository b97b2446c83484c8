# Every target sets itself up: .venv/ gets exactly what the lock files name, and again when they change.
#
#   make demo     a firmware update end to end, on simulated time
#   make run      the emulator on its usual ports
#   make test     what should pass before every commit (-n 2: at most two processes)
#   make verify   the long tests: every published template, crash recovery, large requests
#   make lint     style, types, layers
#   make bench    one JSON object per measurement; ONLY=edge runs the names with that prefix
#   make load     two minutes of load on an emulator of its own, with users, receivers and thresholds (loadtests/README.md)
#   make fuzz     coverage-guided fuzzing of what reads octets of others; ONLY=duis SECONDS=900 (tests/fuzz)
#   make sbom     the software bill of materials, from the lock file, as CycloneDX JSON in build/sbom.json
#   make docs     writes the generated reference pages anew
#   make lock     resolves the dependencies anew; the only target that changes the lock files

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
LOAD := $(VENV)/.load
FUZZ := $(VENV)/.fuzz

.DEFAULT_GOAL := test
.PHONY: demo run test verify lint format bench load load-ready fuzz sbom docs lock

$(RUNTIME): requirements.lock requirements-build.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.lock
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(LOAD): $(DEVELOPMENT) loadtests/requirements.lock
	@$(PIP) install --require-hashes -r loadtests/requirements.lock
	@touch $@

demo: $(RUNTIME)
	@$(BIN)/dcc-emulator demo

run: $(RUNTIME)
	@$(BIN)/dcc-emulator serve

$(FUZZ): $(DEVELOPMENT) tests/fuzz/requirements.lock
	@$(PIP) install --require-hashes -r tests/fuzz/requirements.lock
	@touch $@

test: $(DEVELOPMENT)
	$(BIN)/pytest -n 2 --dist worksteal -m "not verify"

verify: $(DEVELOPMENT)
	$(BIN)/pytest -n 2 --dist worksteal -m verify --timeout 900

lint: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict emulator
	$(BIN)/lint-imports

format: $(DEVELOPMENT)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: $(DEVELOPMENT)
	@$(BIN)/python -m tests.bench $(ONLY)

LOAD_SECONDS ?= 12
LOADTESTS := $(BIN)/python -m loadtests --seconds $(LOAD_SECONDS) --pool 30000 --out build/load

load: $(LOAD)
	@$(LOADTESTS) reads campaigns mixed storm
	@$(LOADTESTS) reads --workers 2

load-ready: $(LOAD)
	@$(BIN)/locust --version

SECONDS ?= 60

fuzz: $(FUZZ)
	$(BIN)/python -m tests.fuzz "$(ONLY)" $(SECONDS)

sbom: $(RUNTIME)
	@mkdir -p build
	@$(BIN)/python docs/sbom.py > build/sbom.json

docs: $(DEVELOPMENT)
	$(BIN)/python docs/generate.py

# The resolver is told the public index and nothing else, so that no local one leaves a trace in the hashes.
LOCK := env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null UV_NO_CONFIG=1 \
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade

lock: $(RUNTIME)
	@$(PIP) install uv
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(LOCK) --group build --constraint requirements.lock --output-file requirements-build.lock
	$(LOCK) --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(LOCK) pyproject.toml --extra load --constraint requirements.lock --output-file loadtests/requirements.lock
	$(LOCK) --group fuzz --constraint requirements.lock --output-file tests/fuzz/requirements.lock
