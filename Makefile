# Everything a fresh machine needs: Python 3.11 to 3.13, make, and the package registries.
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/bin/uv
VENV := .venv
# Of the log in `make bench`; the limits are for 1000000, which takes a quarter of an hour and 6 GB.
ENTRIES ?= 100000
export UV_PYTHON_DOWNLOADS := never
export UV_COMPILE_BYTECODE := 1

.PHONY: setup run test bench guards eval check fmt docs clean
setup: $(VENV)/.stamp

.tools/.stamp: Makefile
	$(PYTHON) -m venv .tools || { echo "python venv is missing: on Debian, apt-get install python3-venv" >&2; exit 1; }
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	touch $@

$(VENV)/.stamp: .tools/.stamp pyproject.toml uv.lock
	$(UV) sync --frozen --all-extras --quiet --python $(PYTHON)
	touch $@

run: setup
	@exec $(VENV)/bin/apostille up

check: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test: check
	$(VENV)/bin/pytest -n 2

bench: setup
	$(VENV)/bin/python -m tests.benchmarks.bench_policy
	$(VENV)/bin/python -m tests.benchmarks.bench_proxy
	$(VENV)/bin/python -m tests.benchmarks.bench_log --entries $(ENTRIES)

# Takes every guard away, one at a time, and sees whether its test fails.
guards: setup
	$(VENV)/bin/python -m tests.removal.run

eval: setup
	$(VENV)/bin/python -m tests.evaluation.run

# The pages hold what they promise: links, commands, laws, dependencies, the shell on them.
docs: setup
	$(VENV)/bin/pytest -q tests/architecture

fmt: setup
	$(VENV)/bin/ruff check --fix-only --quiet .
	$(VENV)/bin/ruff format .

clean:
	rm -rf .tools $(VENV) .mypy_cache .ruff_cache
