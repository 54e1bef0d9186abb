# Two commands are enough on a fresh machine with Python 3.11+ and Java 17: `make demo` and `make test`.
# Everything is installed inside the checkout (.venv, .nextflow-dist), from lock files, once.

SHELL := /bin/sh
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.nextflow-dist:$(PATH)
# No download of plugins or institutional profiles: the commands below need none, and work without a network.
export NXF_OFFLINE ?= true
export DARKREGULOME_SHARED ?= $(abspath $(CURDIR)/../shared)

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-null demo-real test test-all test-heavy lint lint-nf-core bench mutate docs lock clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

setup: .venv/.ready .nextflow-dist/.ready ## install what everything below needs, inside the checkout

.venv/.ready: setup/python.sh setup/pinned.py uv.lock
	@sh setup/python.sh
	@touch $@

.nextflow-dist/.ready: setup/nextflow_dist.sh setup/nextflow.sh setup/nextflow.pom.xml
	@sh setup/nextflow_dist.sh
	@touch $@

demo: setup demo-data/truth.json ## the main job on a simulated genome whose truth is known
	@nextflow run . -profile demo --outdir results/demo -resume
	@python3 setup/show_results.py results/demo demo-data/truth.json

demo-null: setup demo-data-null/truth.json ## the same where nothing is planted: nothing may be found
	@nextflow run . -profile demo --simulated demo-data-null --outdir results/demo-null -resume
	@python3 setup/show_results.py results/demo-null demo-data-null/truth.json

demo-data/truth.json: | .venv/.ready
	@python3 bin/simulate.py genome --outdir demo-data

demo-data-null/truth.json: | .venv/.ready
	@python3 bin/simulate.py genome --plant nothing --outdir demo-data-null

demo-real: setup ## the main job on two regions of GRCh38 with small real models
	@test -d "$(DARKREGULOME_SHARED)/data/demo" || { \
	  echo "error: the real demo data are not at $(DARKREGULOME_SHARED)/data/demo; set DARKREGULOME_SHARED to the folder that holds data/demo and data/models." >&2; exit 2; }
	@nextflow run . -profile demo_real --shared "$(DARKREGULOME_SHARED)" --outdir results/demo-real -resume
	@python3 setup/show_results.py results/demo-real

test: setup ## all tests but the heavy ones
	@pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not heavy"

test-all: setup ## all tests
	@pytest

test-heavy: setup ## the heavy tests by groups, each if it fits into MINUTES=60 and the machine has what it needs
	@python3 setup/heavy_tests.py --minutes $(or $(MINUTES),60) $(if $(SINCE),--since $(SINCE)) $(if $(ONLY),--only $(ONLY))

lint: setup ## ruff, mypy, nextflow lint
	@ruff check . && ruff format --check . && mypy
	@nextflow lint -output concise main.nf nextflow.config conf workflows subworkflows modules

lint-nf-core: setup ## the nf-core community's checks of the pipeline
	@nf-core --hide-progress pipelines lint
	@nf-core --hide-progress pipelines schema lint

bench: setup ## the engine against what it replaces, one table; BENCH=--quick for a first look
	@python3 benchmarks/table.py $(BENCH)

mutate: setup ## mutation testing of five rooms, into docs/mutation.md; MUTATE="--rooms stats --sample 300" for a part
	@python3 setup/mutate.py $(MUTATE)

docs: setup ## write what is generated: docs/columns.md, docs/parameters.md, containers/conda/*.yml
	@python3 setup/write_docs.py
	@python3 setup/write_environments.py

lock: setup ## pin what pyproject.toml asks for in uv.lock; `uv lock --upgrade` for newer versions
	@uv lock --quiet

clean: ## remove runs, keep the installation
	@rm -rf results work demo-data demo-data-null .nextflow .nextflow.log*
