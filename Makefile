# Everything people type; `make` alone lists it. Variables: NET, BOARD, DATA, FRAMES, TOOL, PYTHON.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-long bench accuracy train export rtl sim budget synth package lint clean

NET ?= zynqnet-32
BOARD ?= pynq-z2
DATA ?= digits
FRAMES ?= 4
TOOL ?= yosys
RUN = runs/$(basename $(notdir $(NET)))
MODEL = $(RUN)/model.onnx
BUILD = $(RUN)/$(BOARD)

# What a user's shell sets for Python, pytest or make is not for this project's own environment.
unexport MAKEFLAGS MFLAGS PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE PYTHONOPTIMIZE
unexport PYTHONWARNINGS PYTHONSTARTUP PYTHONSAFEPATH PYTEST_ADDOPTS VIRTUAL_ENV
export PATH := $(or $(PATH),/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
export PYTHONUNBUFFERED := 1

ZYNQFIRE := .venv/bin/zynqfire
# The environment is remade when the pins change or the checkout moves.
STAMP := .venv/.zynqfire-$(firstword $(shell { cat pyproject.toml; pwd; } | cksum))

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## .venv with everything; the other targets call it

$(STAMP):
	@for tool in g++ perl; do command -v $$tool >/dev/null || \
	  { echo "zynqfire needs $$tool for simulation: not found on PATH" >&2; exit 1; }; done
	@is311='import sys; sys.exit(sys.version_info[:2] != (3, 11))'; \
	for python in $(PYTHON) $(if $(PYTHON),,python3.11 python3 python); do \
	  if $$python -c "$$is311" 2>/dev/null; then break; fi; python=; done; \
	if [ -z "$$python" ]; then \
	  echo "zynqfire needs Python 3.11: $(or $(PYTHON),python3.11 and python3) is not one;" \
	    "name yours with make PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
	echo "making .venv with $$python; the first time this downloads about 1 GB" >&2; \
	$$python -m venv .venv
	.venv/bin/python -m pip install --disable-pip-version-check -e '.[dev]'
	@rm -f .venv/.zynqfire-*; touch $@

demo: setup  ## train, export, compile, simulate and budget zynqnet-32; ends in one table
	@$(ZYNQFIRE) demo

# In the order of the files, which has the quick ones last: else two long ones end alone.
test: setup  ## every test and RTL bench but the long ones
	@.venv/bin/python -m pytest -m "not long" -n auto --dist loadfile \
	  --no-loadscope-reorder --durations=20

test-long: setup  ## the tests that take minutes to hours
	@.venv/bin/python -m pytest -m long

bench: setup  ## the speeds in docs/results.md
	@.venv/bin/python tests/bench.py
	@.venv/bin/python tests/bench_layers.py

accuracy: setup  ## the accuracies in docs/results.md; hours, resumed where it was stopped
	@.venv/bin/python tests/accuracy.py

train: setup  ## zynqfire train: NET=, DATA=; continues a run that was stopped
	@$(ZYNQFIRE) train $(NET) --data $(DATA) --out $(RUN)

# A network that was never trained is exported with seeded weights, for hardware studies.
EXPORT = @$(ZYNQFIRE) export $(if $(wildcard $(RUN)/checkpoint.pt),$(RUN),$(NET)) -o $(MODEL)

export: setup  ## zynqfire export: NET= as trained, or with seeded weights, to QONNX
	$(EXPORT)

$(MODEL): $(wildcard $(RUN)/checkpoint.pt) | setup
	$(EXPORT)

COMPILE = @$(ZYNQFIRE) compile $(MODEL) --board $(BOARD) -o $(BUILD)

rtl: $(MODEL)  ## zynqfire compile: NET= to SystemVerilog for BOARD=
	$(COMPILE)

$(BUILD)/manifest.json: $(MODEL)
	$(COMPILE)

sim: $(BUILD)/manifest.json  ## zynqfire simulate: FRAMES= of NET= on BOARD=, bit-exact
	@$(ZYNQFIRE) simulate $(BUILD) --frames $(FRAMES)

budget: $(BUILD)/manifest.json  ## zynqfire budget: on-chip memory of NET= on BOARD=
	@$(ZYNQFIRE) budget $(BUILD)

synth: $(BUILD)/manifest.json  ## zynqfire synth: resources of NET= on BOARD=, TOOL=yosys or vivado
	@$(ZYNQFIRE) synth $(BUILD) --tool $(TOOL)

package: $(BUILD)/manifest.json  ## zynqfire package: NET= on BOARD= as one archive for the board
	@$(ZYNQFIRE) package $(BUILD) -o $(BUILD).zip

lint: setup  ## ruff; the SystemVerilog is linted by make test
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .

clean:  ## remove what was built, keep .venv and runs
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
