# Everything runs in a virtual environment of its own, one per Python version: .venv/3.11, .venv/3.13 …
# Another Python: make test PYTHON=python3.13

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV := .venv/$(VERSION)
BIN := $(VENV)/bin
PACKAGE := --editable '.[demo,test]'
# $(call installed,ENVIRONMENT,ARGUMENTS): a new environment. uv is ten times as fast as pip, which does it where uv cannot:
# where there is no wheel of it, or where only pip's configuration knows the index.
define installed
	@echo "Setting up $(1)"
	@$(PYTHON) -m venv $(1)
	@$(1)/bin/python -m pip --disable-pip-version-check --quiet install uv && \
		$(1)/bin/uv pip install --quiet --python $(1)/bin/python $(2) || \
		$(1)/bin/python -m pip --disable-pip-version-check --quiet install $(2)
endef

# Tests start hundreds of processes; each would compile all modules again, which is half of its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo install install-lowest test check unit thorough compatible clients samples fuzz bench test-lowest clean

# The main job on a Discord of our own: simulator, real mitmproxy, real discord.py, decoded timeline.
demo: $(VENV)/.ready
	@$(BIN)/gwinspect demo

install: $(VENV)/.ready

install-lowest: .venv/lowest-$(VERSION)/.ready

test: check unit

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

# More at a time than there are processors, as they often wait. Those that start proxies, clients and terminals come after the rest.
unit: $(VENV)/.compiled
	$(BIN)/python -m pytest -m "not e2e" --numprocesses 4 --dist worksteal
	$(BIN)/python -m pytest -m e2e --numprocesses 4 --dist worksteal

# The property tests with many examples, other ones in every run.
thorough: $(VENV)/.ready
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -m "not e2e" --numprocesses 3

# What works with other people's packages, which differ by version: mitmproxy above all, whose version is Python's.
# MARK="compat and not e2e" for the quick ones. Fewer at a time than in `unit`: there are few tests, and in a fresh clone each
# process compiles all that it imports, which takes 8 s.
compatible: MARK ?= compat
compatible: $(VENV)/.ready
	$(BIN)/python -m pytest --numprocesses $(if $(findstring not e2e,$(MARK)),2,3) --dist worksteal -m "$(MARK)"

# Every client in tests/e2e/clients/setups.py, each installed into .venv/clients/ on first use; makes docs/clients.md.
# Some of them: make clients ONLY="hikari bun".
clients: $(VENV)/.ready
	$(BIN)/python -m tests.e2e.clients $(ONLY)

# Make sample_captures/ again, with a real mitmproxy on the simulator's scenarios, and what README and reports say of them.
samples: $(VENV)/.ready
	$(BIN)/python sample_captures/make.py
	$(BIN)/python -m tests.test_readme
	$(BIN)/python -m tests.export.html.expected

# Damaged files, frames and filters through the real commands. The seed is printed; with it the run is the same again:
# make fuzz SECONDS=600 SEED=7 ONLY="har capture". One mutant again: python -m tests.fuzz --kind har --seed 7 --number 12
fuzz: SECONDS ?= 120
fuzz: $(VENV)/.ready
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ONLY:%=--kind %)

bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks

# The same on the lowest versions that pyproject.toml allows.
test-lowest: .venv/lowest-$(VERSION)/.ready
	.venv/lowest-$(VERSION)/bin/python -m pytest --numprocesses 3 --dist worksteal -m "compat and not e2e or lowest"

$(VENV)/.ready: pyproject.toml
	$(call installed,$(VENV),$(PACKAGE))
	@touch $@

# What is imported is compiled by one process, not by each of four. A test that cannot be imported is for the run to say.
$(VENV)/.compiled: $(VENV)/.ready
	@$(BIN)/python -m pytest --collect-only -qq > /dev/null || true
	@touch $@

.venv/lowest-$(VERSION)/.ready: pyproject.toml tests/lowest.py
	@mkdir -p .venv
	@$(PYTHON) tests/lowest.py > .venv/lowest-$(VERSION).txt
	$(call installed,.venv/lowest-$(VERSION),--constraint .venv/lowest-$(VERSION).txt $(PACKAGE))
	@touch $@

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
