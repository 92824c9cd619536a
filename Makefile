# Callboard: two words do all the set-up, `make up` and `make test`. A machine needs Python and make, no more.
#
# Each makes .venv and fills it from the lists in requirements/, whose hashes pip compares. Three stamps in .venv
# say what has been done, so that a second call starts at once:
#
#   made           .venv is whole and belongs to this folder; one that was copied or moved along is made again
#   runtime        what Callboard needs to run is in it
#   development    what tests and checks need is in it too
#
# A stamp older than pyproject.toml or than its list is renewed. Nothing here touches data, config or bots.
# Written for GNU make from 3.81 on and any POSIX shell.

.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
PROOF ?= 1
SEEDS ?= 200
FROM ?= 0
PYTHON ?=
ARGS ?=

export PROOF
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_USER := 0

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --no-input

ifeq ($(strip $(VENV)),)
$(error VENV is empty; it names the folder of the virtual environment)
endif

# ── the words ────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: help up test simulate mutate check format bench lock clean

help: ## Print these words
	@echo 'Callboard. The first call of a word makes .venv and fills it, if the word needs it.'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  ARGS="…"      is handed on: make test ARGS="-k journal", make bench ARGS=--json'
	@echo '  PROOF=n       makes the long tests n times as long (default 1; .ci/run takes more)'
	@echo '  PYTHON=path   is the Python to make .venv with (default: the newest of 3.14 to 3.11 that works)'
	@echo '  VENV=folder   is used instead of .venv, to have several side by side'

up: $(VENV)/runtime ## Start Callboard
	@exec $(BIN)/callboard up $(ARGS)

test: $(VENV)/development ## Run all tests
	@exec $(BIN)/python -m pytest $(ARGS)

simulate: $(VENV)/development ## Run seeds of the simulation (SEEDS=200 FROM=0; SEEDS=1 FROM=n plays seed n again)
	@exec $(BIN)/python -m tests.simulation.runner --seeds $(SEEDS) --from $(FROM) $(ARGS)

mutate: $(VENV)/development ## Break the product in every listed way, and see the tests notice
	@exec $(BIN)/python -m tests.mutation.run $(ARGS)

check: $(VENV)/development ## Check format, style, types and import floors
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/development ## Format the code, and mend what the tools can mend
	$(BIN)/ruff check --fix --exit-zero --quiet
	$(BIN)/ruff format

bench: $(VENV)/runtime ## Measure the journal on this machine
	@exec $(BIN)/callboard bench $(ARGS)

lock: $(VENV)/made ## Compile the lists anew from pyproject.toml (ARGS=--upgrade takes the newest)
	@[ -x $(BIN)/uv ] || $(PIP) install 'uv>=0.9,<1'
	$(COMPILE) -o requirements/development.txt pyproject.toml \
	    --group build --group test --group lint --group bench $(ARGS)
	$(COMPILE) -o requirements/runtime.txt pyproject.toml -c requirements/development.txt $(ARGS)
	$(COMPILE) -o requirements/build.txt --group build -c requirements/development.txt $(ARGS)

clean: ## Remove .venv, builds and caches; never data
	@$(REFUSE_STRANGE_FOLDER)
	rm -rf '$(VENV)' build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(wildcard src tests bots) -name __pycache__ -type d -prune -exec rm -rf {} +

# One list for every Python that we promise and every platform. It must not say where packages come from: that is
# the affair of each machine's pip.
COMPILE = UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
    --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

# ── .venv ────────────────────────────────────────────────────────────────────────────────────────────────

# Development is a superset of the other two lists, so it also answers for them.
$(VENV)/development: $(VENV)/made pyproject.toml requirements/development.txt
	@echo 'Installing what tests and checks need into $(VENV), as the lists say.'
	@$(PIP) install --require-hashes -r requirements/development.txt
	@$(INSTALL_CALLBOARD)
	@touch $(VENV)/runtime $@

$(VENV)/runtime: $(VENV)/made pyproject.toml requirements/build.txt requirements/runtime.txt
	@echo 'Installing what Callboard needs into $(VENV), as the lists say.'
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	@$(INSTALL_CALLBOARD)
	@touch $@

# The build backend is in the lists, with its hash, so that nothing unpinned is fetched to build with.
INSTALL_CALLBOARD = $(PIP) install --no-index --no-deps --no-build-isolation --editable .

$(VENV)/made:
	@$(REFUSE_STRANGE_FOLDER)
	@if $(MADE_BY_HAND); then \
	    echo 'Using the $(VENV) that is there.'; \
	else \
	    $(FIND_PYTHON); \
	    echo "Making $(VENV) with $$python."; \
	    "$$python" -m venv --clear '$(VENV)' || exit 1; \
	fi; \
	echo '$(or $(PYTHON),any that suits)' > $(VENV)/made-with && pwd > $@

# What could be wrong with a .venv that is there: it belongs to another folder, its Python is gone, or PYTHON asks
# for another one. It is then made again.
USABLE := $(shell [ "`cat '$(VENV)/made' 2>/dev/null`" = "`pwd`" ] && [ -x '$(BIN)/python' ] && \
    { [ -z '$(PYTHON)' ] || [ "`cat '$(VENV)/made-with'`" = '$(PYTHON)' ]; } && echo yes)
ifneq ($(USABLE),yes)
$(VENV)/made: FORCE
endif
FORCE:

# One that somebody made without make is kept and filled, unless PYTHON asks for another; it may lack pip.
MADE_BY_HAND = [ -z '$(PYTHON)' ] && [ ! -e '$(VENV)/made' ] && $(BIN)/python -c '$(SUITS)' >/dev/null 2>&1 && \
    { $(PIP) --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null 2>&1; }

# Each candidate is run, not only looked for: a name on the PATH may stand for a version that is not installed, and
# some systems ship a Python without venv.
SUITS := import ensurepip, sys, venv; ok = (3, 11) <= sys.version_info[:2] <= (3, 14); \
    ok and print(sys.executable); sys.exit(not ok)
FIND_PYTHON = python=; \
    for name in $(if $(PYTHON),'$(PYTHON)',python3.14 python3.13 python3.12 python3.11 python3 python); do \
        python=`"$$name" -c '$(SUITS)' 2>/dev/null` && break; \
    done; \
    if [ -z "$$python" ]; then \
        echo 'Callboard needs Python 3.11, 3.12, 3.13 or 3.14 with its venv module, and found none that runs$(if \
            $(PYTHON), as $(PYTHON)).' >&2; \
        echo 'Name one with PYTHON=path. On Debian and Ubuntu, `apt-get install python3-venv` adds the module.' >&2; \
        exit 1; \
    fi

# VENV may name any folder by mistake; only one that Python itself marked as a virtual environment is removed.
REFUSE_STRANGE_FOLDER = if [ -e '$(VENV)' ] && [ ! -f '$(VENV)/pyvenv.cfg' ]; then \
        echo '$(VENV) is there and is no virtual environment; it was left alone. Name another one with VENV=folder.' >&2; \
        exit 1; \
    fi
