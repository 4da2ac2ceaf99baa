# make train, make test: nothing else to do on a machine with Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONFIG ?= configs/train.yaml
ARGS ?=
RUN ?= eval/latest
export MONAI_FAIL_ON_DUPLICATE_CONFIG := 1
export MLFLOW_DISABLE_TELEMETRY ?= true

.DEFAULT_GOAL := help
.PHONY: help train test test-slow evaluate promote mlflow lint format clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements.txt requirements-dev.txt requirements-export.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	@touch $@ $(VENV)/.installed

train: $(VENV)/.installed  ## train Re-M3Dr on the phantom cohort; ARGS="--manifest my.csv" for your own eyes
	$(BIN)/python -W ignore::UserWarning -m monai.bundle run training --config_file $(CONFIG) $(ARGS)

test: $(VENV)/.installed-dev  ## the fast tests
	$(BIN)/python -m pytest $(ARGS)

test-slow: $(VENV)/.installed-dev  ## the slow tests too
	$(BIN)/python -m pytest -m "slow or not slow" $(ARGS)

evaluate: $(VENV)/.installed  ## judge the newest training (RUN=folder for another) on its test split
	$(BIN)/python -W ignore::UserWarning -m monai.bundle run evaluating --config_file "['configs/inference.yaml','configs/evaluate.yaml']" --ckpt_path $(RUN)/model.pt $(ARGS)

promote:  ## copy the newest training's model and score (RUN=folder for another) to models/, where inference.yaml looks
	mkdir -p models/test && cp -p $(RUN)/model.pt $(RUN)/model.json $(RUN)/config.yaml models/
	cp -p $(RUN)/test/metrics.json models/test/

mlflow: $(VENV)/.installed  ## browse the runs at http://127.0.0.1:5000
	$(BIN)/mlflow ui --backend-store-uri sqlite:///eval/mlflow.db

lint: $(VENV)/.installed-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## let ruff format and mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove caches; never data, eval or models
	rm -rf .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
