# Everything a newcomer types: `make demo` shows what samekind does, `make test` proves that it does it.

PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
DATA   ?=
OUT    ?= demo

.PHONY: demo test lint check docs clean

demo: $(VENV)/.installed
	$(BIN)/samekind demo --out $(OUT) $(if $(DATA),--data $(DATA))

test: $(VENV)/.dev lint check

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports

check: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests

docs: $(VENV)/.dev
	$(BIN)/python docs/filemap.py
	$(BIN)/python docs/results.py

clean:
	rm -rf $(VENV) $(OUT) build dist

# Python comes with Debian; where its venv module does not, and we may, apt brings it.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null && $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq python3 python3-venv; \
	  else echo "samekind needs Python >= 3.11 with venv: install it, or name it with PYTHON=..." >&2; exit 1; fi; }
	@p=$$(command -v $(PYTHON) || command -v python3); \
	  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "samekind needs Python >= 3.11, found $$("$$p" --version)" >&2; exit 1; }; \
	  "$$p" -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

# The page is tested in a browser of the system: where there is none, and we may, apt brings it.
$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@command -v chromium || command -v chromium-browser || command -v google-chrome || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq chromium; \
	  else echo "There is no Chromium: the tests of the page will be skipped." >&2; fi; }
	touch $@
