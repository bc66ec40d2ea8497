# make run    the whole system on this machine, at http://127.0.0.1:8501
# make test   all tests but the benchmarks
# make check  style and types
# make bench  the benchmarks
# make clean  removes the virtual environment and caches; data in .data stay

PYTHON = $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	if $$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then command -v $$name; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: run test check bench clean browser
.DELETE_ON_ERROR:

run: $(VENV)/installed
	@$(BIN)/venue-ops up

# side by side, but of the tests that start workers or a browser never two at once (tests/conftest.py)
test: $(VENV)/installed-dev browser
	$(PYTEST) -m "not benchmark" -n 2 --dist loadgroup

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed-dev
	$(PYTEST) -s -m benchmark tests/benchmarks

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with its venv module was not found: install it (on Debian: python3 and python3-venv), then try again." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing; about a minute."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(VENV)/installed $@

# the page tests drive a real browser: one on the PATH, else Debian's package, else Playwright's own
browser: $(VENV)/installed-dev
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium; } || \
	$(BIN)/python -m playwright install chromium
