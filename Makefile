# Everything works on a fresh machine: each target first makes .venv, once, from pyproject.toml.
# Paths are relative to this file's folder, so that its name may hold spaces.

PYTHON ?= python3
BIN := .venv/bin
PY := $(BIN)/python
# crdtkv as `make fast` made it, and not the folder beside this file.
FAST := PYTHONSAFEPATH=1 PYTHONPATH="$(CURDIR)/.fast/lib:$(CURDIR)"
# Where the engine is tried; the rest of the tests are of what goes by it.
OF_ENGINE := $(addprefix tests/,core strategies store storage gossip power laws guards cases stories test_stories.py test_model.py test_model_and_core.py sim node client http server)
ENGINE := $(wildcard crdtkv/*.py crdtkv/*/*.py crdtkv/*/*/*.py)
CLIENTS := tests/doors/npm

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-fast fast clients check laws soak sim swarm bench where docs clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

run: .venv/ready ## set up, and see three colos write at once, exchange and end equal; then the same over HTTP
	@$(PY) -m crdtkv.cli demo
	@$(PY) -m crdtkv.cli cluster --show --port 0

test: .venv/ready ## set up, and run the tests on two cores
	@$(PY) -m pytest -q -n 2

clients: $(CLIENTS)/node_modules/ready .clients/ready .clients/fakeredis/ready ## the clients (npm's, PyPI's) that tests of the doors run; without them these tests are skipped

fast: .fast/ready ## compile the engine (some minutes, once; a C compiler): twice as fast, and what `make bench` measures

test-fast: .fast/ready ## the engine's tests, on the compiled one
	@$(FAST) $(PY) -m pytest -q -n 2 -o pythonpath= $(OF_ENGINE)

check: .venv/ready ## ruff, mypy --strict, and which room may import which
	@$(PY) -m ruff check .
	@$(PY) -m mypy --strict crdtkv
	@$(PY) -m pytest -q tests/test_imports.py

laws: .venv/ready ## the long property runs: a million operations
	@CRDTKV_LAWS=long $(PY) -m tests.laws

soak: .venv/ready ## three and ten real colos under all faults, for half an hour (MINUTES=30)
	@$(PY) -m tests.cluster --minutes $(or $(MINUTES),30)

sim: .venv/ready ## a few seeds of each scenario of simulations/
	@$(PY) -m simulations sim

swarm: .venv/ready ## random faults, one seed after the other, until Ctrl-C
	@$(PY) -m simulations swarm

bench: .fast/ready ## measure beside the peers (installed into .bench), and write bench/RESULTS.md; WHAT=limits: our own limits
	@$(FAST) $(PY) -m bench $(or $(WHAT),all)

where: .fast/ready ## sample the hot paths with Linux' perf, and write bench/WHERE.md: whose the time is; WHAT="record scan"
	@$(FAST) $(PY) -m bench.where $(WHAT)

docs: .venv/ready ## print the pages that come from the registries
	@$(PY) -m docs.build

clean: ## remove what these targets made, .venv included
	@rm -rf .venv .fast .bench .clients $(CLIENTS)/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# The venv is kept beside a file that is newer than pyproject.toml only if the install went well.
.venv/ready: pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "error: no '$(PYTHON)' here; install Python 3.11 or later, or name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $$("$(PYTHON)" --version) is too old; crdtkv needs 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "error: this Python comes without venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "setting up .venv (once, about a minute)" >&2
	@"$(PYTHON)" -m venv .venv
	@$(PY) -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@

# Compiled in a copy: beside its source a compiled module would hide what is changed there.
.fast/ready: .venv/ready $(ENGINE)
	@command -v cc >/dev/null || { \
	  echo "error: no C compiler 'cc' here; on Debian and Ubuntu: apt install build-essential" >&2; exit 1; }
	@echo "compiling the engine into .fast (some minutes)" >&2
	@rm -rf .fast && mkdir -p .fast/source
	@cp -R crdtkv pyproject.toml README.md LICENSE .fast/source
	@printf '[build_ext]\nparallel = 2\n' >.fast/source/setup.cfg
	@HATCH_BUILD_HOOKS_ENABLE=1 $(PY) -m pip install -qq --disable-pip-version-check --no-deps --target .fast/lib .fast/source
	@touch $@

# As .venv: kept beside a file that is newer than package.json only if the install went well. Nothing of it is compiled.
$(CLIENTS)/node_modules/ready: $(CLIENTS)/package.json
	@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || { \
	  echo "error: no 'npm' of Node.js 20 or later here; install it" >&2; exit 1; }
	@echo "setting up $(CLIENTS)/node_modules (once, about half a minute)" >&2
	@cd $(CLIENTS) && npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

# What clients of the doors want must not decide what crdtkv itself runs with.
.clients/ready: tests/doors/python/requirements.txt
	@echo "setting up .clients (once, about half a minute)" >&2
	@"$(PYTHON)" -m venv .clients
	@.clients/bin/python -m pip install -qq --disable-pip-version-check -r $<
	@touch $@

# fakeredis' own tests, and what they need.
.clients/fakeredis/ready: tests/doors/redis/fakeredis_suite.py .clients/ready .venv/ready
	@$(PY) -m tests.doors.redis.fakeredis_suite install
	@touch $@
