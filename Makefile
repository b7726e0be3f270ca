# The entry point for developers: `make help` lists every task.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# pytest-xdist: one process more than there are cores, for tests wait as well; each takes over what another has
# left. `make test PYTEST="-x -k herd -n 0"` for anything else.
PYTEST ?= -n $(shell $(PYTHON) -c 'import os; print(1 + (os.cpu_count() or 1))') --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-slow test-all lint format bench chaos fleet soak drawing ci clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

venv: $(STAMP) ## make .venv with credward and the tools of its developers

# The helper is compiled while installing: a change of the C code needs another installation.
$(STAMP): pyproject.toml constraints.txt packaging/build_helper.py .ci/venv.sh $(wildcard helpers/*)
	@PYTHON="$(PYTHON)" .ci/venv.sh $(VENV)
	@touch $@

demo: $(STAMP) ## see it work: a token refreshed before it expires while callers keep asking
	@$(BIN)/credward demo

# With byte code of the tests, which a later run does without compiling them.
RUN_TESTS = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

test: $(STAMP) ## run all tests except the slow ones, without network (5 minutes on two cores)
	@$(RUN_TESTS) -m "not slow" $(PYTEST)

test-slow: $(STAMP) ## run what `make test` leaves out: other compilers, sanitizers, real programs, long runs
	@CREDWARD_REQUIRE_EXAMPLES=1 $(RUN_TESTS) -m "slow or examples" $(PYTEST)

test-all: $(STAMP) ## run both
	@CREDWARD_REQUIRE_EXAMPLES=1 $(RUN_TESTS) $(PYTEST)

lint: $(STAMP) ## ruff, mypy, import contracts
	@.ci/lint.sh $(BIN)

format: $(STAMP) ## let ruff format the code
	@$(BIN)/ruff check --fix -q . && $(BIN)/ruff format -q .

bench: $(STAMP) ## measure helper and daemon; a table, and JSON in benchmarks/results
	@$(BIN)/python benchmarks/run.py

chaos: $(STAMP) ## kill daemons and workers while 64 processes ask; counts lost grants (10 minutes and node)
	@$(BIN)/python benchmarks/chaos.py --rounds $(or $(ROUNDS),200)

fleet: $(STAMP) ## 140 credentials for five lifetimes of a minute: how often upstream is asked, and when (8 minutes)
	@$(BIN)/python benchmarks/fleet.py

soak: $(STAMP) ## 100,000 refreshes by one daemon, and what grew (10 minutes)
	@$(BIN)/python benchmarks/soak.py --refreshes $(or $(REFRESHES),100000)

drawing: $(STAMP) ## draw the README's picture of `status --watch` anew (tmux and node)
	@$(BIN)/python benchmarks/drawing.py

ci: ## everything that a change must pass, from a clean clone
	@.ci/run

clean: ## remove what these tasks made
	@rm -rf $(VENV) build dist .hypothesis .ruff_cache .mypy_cache .import_linter_cache benchmarks/results
	@find broker tests packaging helpers benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
