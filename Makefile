# People and CI use the same targets.  `make` alone prints this help.
PYTHON ?= python3
DATA ?=
FULL ?=
INPUTS ?= 100000
SEED ?= 0
KILLS ?= 20
HOSTILE ?=
SEEDS ?= 5000
LONG ?=
BIN := .venv/bin
DEMO_OPTIONS := $(if $(DATA),--data $(DATA)) $(if $(FULL),--full)

.DEFAULT_GOAL := help
.PHONY: help setup setup-studio demo studio test test-studio fuzz sim soak coverage lint format weights lock clean

help: ## Print this help.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

setup: ## Create .venv and install everything (demo, test and lint do it by themselves).
	@$(PYTHON) ops/bootstrap.py

setup-studio: ## The same, and what the web interface and its tests need.
	@$(PYTHON) ops/bootstrap.py --studio

studio: setup-studio ## Open the web interface on a local network of its own; URL=... for another node.
	@$(BIN)/openledger studio $(if $(URL),--node $(URL),--dev)

demo: setup ## Run the whole life of paid answers; DATA=FILE for your own rows, FULL=1 for no time limit.
	@$(BIN)/openledger demo $(DEMO_OPTIONS)

test: setup-studio ## Run the tests.
	@$(BIN)/python -m pytest

test-studio: setup-studio ## Drive the web interface with chromium against a real network (apt-get install chromium npm).
	@npm ci --silent --prefix tests/studio/browser
	@$(BIN)/python -m pytest -q tests/studio/browser/browser_*.py

fuzz: setup ## Fuzz everything that strangers can send (tests/fuzz); INPUTS=N each, SEED=S.
	@for fuzzer in decoder extrinsics proofs rpc wire handshakes consensus evidence snapshots; do \
		$(BIN)/python -m tests.fuzz.$$fuzzer --inputs $(INPUTS) --seed $(SEED) || exit 1; done
	@$(BIN)/python -m tests.fuzz.certificates --inputs $$(($(INPUTS) / 10)) --seed $(SEED)
	@$(BIN)/python -m tests.fuzz.chains --inputs $$(($(INPUTS) / 50)) --seed $(SEED)
	@$(BIN)/python -m tests.fuzz.attacks --inputs $$(($(INPUTS) / 100)) --seed $(SEED)
	@$(BIN)/python -m tests.fuzz.data_attacks --inputs $$(($(INPUTS) / 50)) --seed $(SEED)

soak: setup ## Kill validators of a real network (KILLS=N), or attack one (HOSTILE=1), and count what is lost; or load a server (SERVING=1).
	@$(BIN)/python -m bench.$(if $(SERVING),serving_soak,soak $(if $(HOSTILE),--hostile,--kills $(KILLS) --seed $(SEED)))

sim: setup ## Simulate consensus with faults and liars; SEEDS=N; LONG=1 also breaks every rule, to see it found.
	@$(BIN)/python -m consensus.sim --seeds $(SEEDS)
	@$(BIN)/python -m consensus.sim --seeds $$(($(SEEDS) / 10)) --byzantine forks
	@$(BIN)/python -m consensus.sim --exhaustive $(if $(LONG),2,1)
	@$(if $(LONG),$(BIN)/python -m consensus.sim --mutants)

coverage: setup ## Fail where a branch of the runtime's core is not covered by its tests.
	@$(BIN)/python -m pytest -q tests/runtime tests/genesis/test_rehearsal.py --cov=runtime \
		--cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

lint: setup-studio ## Check format, rules, types, layers.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## Format and mend what can be mended.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

weights: setup ## Measure the weights of all built-in pallets anew, on an idle machine.
	@for file in pallets/*/weights.py; do \
	  $(BIN)/openledger pallet bench $$(basename $$(dirname $$file)) --output $$file || exit 1; \
	done
	@$(BIN)/python -m genesis.metadata_lock

lock: setup ## Resolve pyproject.toml again into requirements.lock (with hashes, without torch).
	@$(BIN)/python -m pip install --quiet pip-tools
	@$(BIN)/python ops/lock.py

clean: ## Remove the demo's data and all caches (not .venv).
	@rm -rf .openledger .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
