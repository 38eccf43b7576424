# Every target sets itself up in .venv, from nothing, and again in no time when nothing changed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Stages are called as `python`.
export PATH := $(CURDIR)/$(BIN):$(PATH)

# Of `make bundle`.
RUNS := add-42 multitask-42

IN_PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: demo repro results bundle pull-gradients report processors test test-all test-newest release check format audit docs licences
.DEFAULT_GOAL := demo

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sedlib needs Python 3.11 or newer, found " + sys.version.split()[0] + "; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@

demo: $(READY)  ## add, seed 42: from training to the coupling figure
	$(BIN)/dvc repro figures@add-42
	@$(BIN)/sedlib summary add-42
	@git diff --quiet -- '*dvc.lock' 2>/dev/null; test $$? -ne 1 || echo "dvc.lock names other bytes than the committed one: processors and numbers of threads round differently, and code may be newer. Keep these with git commit dvc.lock, drop them with git checkout dvc.lock"

repro: $(READY)  ## every run in params.yaml, a stage per core at a time
	$(BIN)/sedlib repro

results: $(READY)  ## every run, then what git keeps of them; stopped or killed, it goes on from there: docs/experiments.md
	$(BIN)/sedlib repro
	$(BIN)/sedlib pack
	$(MAKE) report

pull-gradients: $(READY)  ## what the analysis of every run starts from, without its checkpoints; BUNDLE=FILE takes it from a bundle
ifneq ($(filter command environment,$(firstword $(origin BUNDLE))),)
	@$(BIN)/sedlib unbundle "$(BUNDLE)"
else
	$(BIN)/dvc pull dump
	@echo "Now: dvc repro --pull --allow-missing. Plain dvc repro would miss the checkpoints and train again."
endif

bundle: $(READY)  ## what the analysis of RUNS starts from in one file, BUNDLE, for those without access to the remote
	@$(BIN)/sedlib bundle $(RUNS) --to "$(or $(BUNDLE),dumps.tar)"

report: $(READY)  ## reports/ from whatever results there are, or those that git keeps; then README.md and docs/results.md
	@$(BIN)/sedlib unpack --if-none
	@$(BIN)/sedlib costs --keep
	$(BIN)/python stages/report.py
	@$(BIN)/sedlib documents

processors: $(READY)  ## the results beside those of other processors: processors/h200.md
	@$(BIN)/sedlib unpack --if-none
	$(BIN)/sedlib compare artifacts/results processors/h200 --to processors/h200.md

sweep-%: $(READY)  ## a pipeline of sweeps/ that repro leaves alone: make sweep-NAME, NAME a folder of sweeps/
	@cat sweeps/$*/cost.txt
	$(BIN)/sedlib repro sweeps/$*/dvc.yaml
	$(BIN)/sedlib pack sweeps/$*

test: $(READY)  ## the tests that take milliseconds to seconds
	$(BIN)/pytest -m 'not slow' $(IN_PARALLEL)

test-all: $(READY)  ## these and the slow ones: real DVC, browsers, servers, batch systems, kills
	$(BIN)/pytest $(PYTEST) $(IN_PARALLEL)

test-newest:  ## the tests of milliseconds to seconds, with the newest versions that pyproject.toml allows, in .venv-newest
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	PATH="$(CURDIR)/.venv-newest/bin:$$PATH" .venv-newest/bin/pytest -m 'not slow' $(IN_PARALLEL)

release:  ## wheel, source distribution and the run as an RO-Crate, each checked, in dist/
	PYTHON='$(PYTHON)' .ci/release

check: $(READY)  ## lint, format and types; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

audit: $(READY)  ## known faults of the pinned versions, where an index of advisories answers
	$(BIN)/python .ci/audit.py

docs: $(READY)  ## docs/ as a site, with the library's reference: site/index.html
	$(BIN)/mkdocs build --strict --quiet

licences: $(READY)  ## docs/licences.md from what the installed packages state
	$(BIN)/python .ci/licences.py > docs/licences.md
