# The two commands: make report, make test. make alone lists the others.
# pip's own variables (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL) count as they stand.

.DEFAULT_GOAL := help

PYTHON ?= python3
PROFILE ?= full
ENGINE ?= auto
KERBEROS ?=
BIN := .venv/bin
INSTALLED := .venv/.installed-by-$(notdir $(PYTHON))
STAMP := $(INSTALLED)
# The conda environment of environment.yml, once active, serves as it is.
ifeq ($(CONDA_DEFAULT_ENV),aevb)
BIN := $(CONDA_PREFIX)/bin
STAMP :=
endif
SOURCE := $(BIN)/python -c 'from aevb import results; print(results.source_hash())'
STATE := $(BIN)/python -c 'from aevb import results; print(results.state())'
QUIET := $(shell test -t 2 || echo --quiet)

# what Apple's GPU cannot do, the CPU does
export PYTORCH_ENABLE_MPS_FALLBACK := 1
export KERBEROS
export AEVB_PROFILE := $(PROFILE)
export PYTHONPATH := code:.

.DELETE_ON_ERROR:
.PHONY: open sync report submit test lint format proofs api wheel clean help

report: $(STAMP)  ## train what is not trained yet, then write kerberos.pdf and kerberos.ipynb (PROFILE=quick: in two minutes, with tiny trainings; PROFILE=gpu: with a likelihood model that takes hours of a plain CPU)
	@$(BIN)/aevb train-all
	@$(BIN)/python -m press report.qmd --engine $(ENGINE) \
	  --provenance source=$$($(SOURCE)) --state $$($(STATE))

submit: $(STAMP)  ## check the two files and put them into submission/ under your name: make submit KERBEROS=jdoe
	@$(BIN)/python -m handin \
	  --provenance source=$$($(SOURCE)) -- "$$KERBEROS"

test: $(STAMP)  ## run the tests
	@$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(STAMP)  ## check format, style and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(STAMP)  ## format the sources
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

proofs: $(STAMP)  ## check every step of every derivation, and print a table
	@$(BIN)/python -m proofs

open:  ## show kerberos.html in a browser
	@$(BIN)/python -m webbrowser -t "file://$(CURDIR)/kerberos.html"

sync: $(STAMP)  ## write the package's definitions into the cells of report.qmd
	@$(BIN)/python -m aevb.cells report.qmd

api: $(STAMP)  ## write pages on the code's interface, from its docstrings, into site/api/
	@$(BIN)/python -m pdoc --docformat google --no-show-source \
	  --output-directory site/api aevb handin press proofs
	@echo site/api/index.html

wheel: $(STAMP)  ## build dist/aevb_report-*.whl, for the notebook without this folder
	@rm -rf build dist
	@$(BIN)/python -m pip wheel $(QUIET) --disable-pip-version-check \
	  --no-deps --wheel-dir dist .
	@echo "$$(ls dist/*.whl): put it beside kerberos.ipynb"

clean:  ## remove the environment, the trained runs and all caches; keep data/ and the results
	rm -rf .venv .press.kept runs build dist site .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

# One environment, installed once. A newer list of packages brings it up to
# date; another Python makes it anew.
VERSION := import sys; print(sys.version)
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is missing or older than 3.10: install Python 3.10 or newer, or name one: PYTHON=python3.12 make report" >&2; exit 2; }
	@echo "installing into .venv (once; several GB with PyTorch)"
	@test "$$($(PYTHON) -c '$(VERSION)')" = "$$($(BIN)/python -c '$(VERSION)' 2>&1)" || \
	  $(PYTHON) -m venv --clear .venv || \
	  { echo "cannot make .venv: install Python's venv module (on Debian: python3-venv)" >&2; exit 2; }
	@$(BIN)/python -m pip install $(QUIET) --disable-pip-version-check \
	  -c constraints.txt -e '.[page,dev,cluster,search]'
	@rm -f .venv/.installed-by-*
	@touch $@
