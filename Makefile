# Everything is installed into .venv from constraints.txt; no target needs more than `python3` and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/.bench-installed
BROWSER_INSTALLED := $(VENV)/.browser-installed
LAUNCHERS_INSTALLED := $(VENV)/.launchers-installed
SLURM_INSTALLED := $(VENV)/.slurm-installed
SLURM_FIGURES := $(VENV)/slurm-figures.txt
FIGURES := $(abspath $(VENV))/figures.txt
DATA ?=
N ?= 100
SEED ?= 0
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install train test test-slow kills lint types browser report-picture launchers slurm reliability bench toys bench-short bench-accuracy bench-memory wheel clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## install hone and what its development needs

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

train: $(INSTALLED) ## run the default experiment: six emotions, offline, well under a minute
	$(BIN)/hone train

test: $(INSTALLED) ## run the quick tests, on as many processes as there are cores
	$(BIN)/pytest -n auto

test-slow: $(INSTALLED) ## run the slow tests: searches, killed sweeps, several processes, W&B's faults, but not those of make reliability: make test-slow [ARGS='-k …']
	$(BIN)/pytest -n auto -m slow --ignore tests/reliability $(ARGS)

kills: $(INSTALLED) ## kill runs N times at any moment, go on with them, and compare every bit and what W&B has: make kills [N=100] [SEED=0]
	RANDOM_KILLS=$(N) RANDOM_KILLS_SEED=$(SEED) $(BIN)/pytest -m slow -s tests/reliability/test_random_kills.py
	KILLS=$(N) KILLS_SEED=$(SEED) $(BIN)/pytest -m slow -s tests/tracking/test_wandb_kills.py

reliability: $(INSTALLED) ## kills, damage, full disks, malformed rows, hostile files, mutants: make reliability [N=1000] [ARGS='-k …']
	@which strace > /dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends strace; } \
	  || echo 'no strace: the faults at every file call are skipped'
	@rm -f $(FIGURES)
	FIGURES=$(FIGURES) RANDOM_KILLS=$(N) RANDOM_KILLS_SEED=$(SEED) $(BIN)/pytest -n auto -m 'slow or not slow' \
	  --ignore tests/reliability/test_slurm.py tests/reliability $(ARGS)
	@test ! -e $(FIGURES) || sort $(FIGURES)

lint: $(INSTALLED) ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## check the types, strictly
	$(BIN)/mypy

browser: $(BROWSER_INSTALLED) ## look at a sweep's report in Chromium, which is installed if there is none (BROWSER_PATH=…: that one)
	$(BIN)/pytest tests/reports/browser

report-picture: $(BROWSER_INSTALLED) ## train a small sweep and draw docs/report.png, a picture of its report
	$(BIN)/python benchmarks/picture.py $(ARGS)

launchers: $(LAUNCHERS_INSTALLED) ## run the tests of submitit and a Ray on this machine, which are installed for them
	$(BIN)/pytest -m 'slow or not slow' tests/sweeps/test_launchers.py $(ARGS)

slurm: $(SLURM_INSTALLED) ## disturb sweeps on a SLURM of one node, which is installed if there is none and started for the tests
	@rm -f $(SLURM_FIGURES)
	SLURM_FIGURES=$(abspath $(SLURM_FIGURES)) $(BIN)/pytest -n 2 -m slow -rs tests/reliability/test_slurm.py $(ARGS)
	@awk '{ print; cells += $$1; lost += $$2; doubled += $$3 } END { print NR " cases: " cells " cells, " lost " results lost, " doubled " doubled" }' \
	  $(SLURM_FIGURES)

bench: $(BENCH_INSTALLED) ## compare with a plain loop, Trainer and Lightning: make bench [DATA=FOLDER] [ARGS='--scenes …']
	$(BIN)/python benchmarks/bench.py $(if $(DATA),--data $(DATA)) --output benchmarks/latest.json $(ARGS)

toys: $(INSTALLED) ## train every task's built-in experiment: a table of scores before and after, outputs/toys.json
	$(BIN)/python benchmarks/toys.py $(ARGS)

bench-short: $(INSTALLED) ## the guard against slowness: a few minutes, ratios alone
	$(BIN)/python benchmarks/bench.py --short

bench-accuracy: $(BENCH_INSTALLED) ## compare accuracy: make bench-accuracy DATA=FOLDER with train, validation, test .jsonl
	@test -n "$(DATA)" || { echo 'make bench-accuracy DATA=FOLDER: with train.jsonl, validation.jsonl and test.jsonl'; exit 2; }
	$(BIN)/python benchmarks/accuracy.py --data $(DATA) --output benchmarks/latest.json $(ARGS)

bench-memory: $(BENCH_INSTALLED) ## compare the memory that hone plan expects with what runs take: make bench-memory [ARGS='default lora']
	$(BIN)/python benchmarks/memory.py $(if $(DATA),--data $(DATA)) $(ARGS)

$(BENCH_INSTALLED): $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	@touch $@

$(LAUNCHERS_INSTALLED): $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[ray,slurm]'
	@touch $@

# The policy keeps Debian's packages from starting their daemons: the tests start their own.
$(SLURM_INSTALLED): $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[slurm]'
	@which slurmctld slurmd slurmdbd sbatch munged mariadbd > /dev/null || { \
	  policy=/usr/sbin/policy-rc.d; \
	  test -e $$policy || { trap "rm -f $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' > $$policy; chmod +x $$policy; }; \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
	    slurm-wlm slurmdbd munge mariadb-server; } \
	  || { echo 'no SLURM: install slurmctld, slurmd, slurmdbd, munge and mariadb, or do without these tests'; exit 2; }
	@touch $@

$(BROWSER_INSTALLED): $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[browser]'
	@test -n "$$BROWSER_PATH" || which chromium || which chromium-browser || which google-chrome \
	  || { apt-get update -q && apt-get install -qy --no-install-recommends chromium fonts-dejavu-core; } \
	  || { echo 'no browser: install chromium, or say where one is with BROWSER_PATH=…'; exit 2; }
	@touch $@

wheel: $(INSTALLED) ## build the wheel into dist/
	$(BIN)/python -m build --wheel --outdir dist

clean: ## remove what the tools leave behind (not outputs/)
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
