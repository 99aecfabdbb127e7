# `make` lists the targets. Each one first prepares .venv, and only if something in it is out of date.
PYTHON ?= python3
RUN := .venv/bin
NATIVE := $(shell find pyx -name '*.pyx' -o -name '*.pxd' -o -name '*.[ch]')
REQUIRES := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")
# CPython itself leaves memory at its end, so that leaks are counted by tests and not by the sanitizer.
# The C++ library comes first, too: the sanitizer looks for its exceptions once, and plots throw some.
SANITIZED := PYTHONPATH=build/sanitize/lib PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so.6)"

# Without random addresses, which leave the thread sanitizer no room on some systems.
FOR_RACES := PYTHONPATH=build/threads/lib TSAN_OPTIONS=log_path=build/threads/report:report_signal_unsafe=0 \
	LD_PRELOAD=$$(gcc -print-file-name=libtsan.so) setarch -R
RACES := tests/integration/test_native_*.py tests/integration/test_message_*.py \
	tests/integration/test_session*.py tests/integration/test_faults.py
RUNS ?= -1
ROUNDS ?= 1
SECONDS ?= 60
KILLS ?= 300
LOCKED ?= 30

.PHONY: help dev run demo test explore lint format bench bench-report cli docs pictures sanitize sanitize-threads fuzz faults build clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## */\1\t/p' Makefile | expand -t 18

.venv/installed: pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit("edgelake needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	@test -x $(RUN)/pip || $(PYTHON) -m venv .venv
	@$(RUN)/python -c '$(REQUIRES)' | $(RUN)/pip install -q --disable-pip-version-check -r /dev/stdin
	$(RUN)/pip install -q --disable-pip-version-check --no-build-isolation -e '.[dev]'
	@touch $@

# Not through pip: this compiles only the modules whose sources changed.
.venv/compiled: .venv/installed $(NATIVE)
	$(RUN)/python setup.py -q build_ext --inplace build_scripts --build-dir $(RUN)
	@touch $@

dev: .venv/compiled  ## prepare .venv for development (editable install, test and lint tools)

run: dev  ## start one node on embedded defaults, with the console
	@$(RUN)/edgelake --console process examples/standalone.al

demo: dev  ## start a master and two nodes, and watch their ledgers converge
	@$(RUN)/python examples/demo.py

test: dev  ## run all tests
	tests/install-packages
	$(RUN)/python -m tests

explore: dev  ## run the property tests on examples they have not seen, ROUNDS=n times
	for round in $$(seq $(ROUNDS)); do HYPOTHESIS_PROFILE=other $(RUN)/python -m pytest tests/property || exit; done

lint: dev  ## check style and types
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy --strict edgelake
	PATH=$(RUN):$$PATH cython-lint pyx tests/fuzz  # it starts pycodestyle by name

format: dev  ## format the Python sources
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

bench: dev  ## measure against bare C loops, about a quarter of an hour (QUICK=1: a minute)
	$(RUN)/python -m bench $(if $(QUICK),--quick)

bench-report: dev  ## measure, and write docs/performance*.md (ONLY=ledger or rest; FROM=results.json: without measuring)
	$(RUN)/python -m bench.performance $(if $(FROM),--from $(FROM)) $(if $(ONLY),--only $(ONLY))

cli: .venv/installed  ## compile the native command line into .venv/bin
	$(RUN)/python setup.py -q build_scripts --build-dir $(RUN)

docs: dev  ## write docs/commands.md, docs/errors.md, the grammar in docs/language.md and docs/metrics.md
	@mkdir -p build
	$(RUN)/python -m edgelake.commands > build/commands.md
	$(RUN)/python -m edgelake.commands errors > build/errors.md
	cp build/commands.md build/errors.md docs
	$(RUN)/python -m edgelake.language.ebnf docs/language.md
	$(RUN)/python -m edgelake.rest.metric_page docs/metrics.md

pictures: dev  ## take the pictures of the console in docs/console (needs Chromium)
	$(RUN)/python -m tests.browser.pictures docs/console

sanitize: dev  ## run the native tests under the address and undefined-behaviour sanitizers
	EDGELAKE_SANITIZE=address $(RUN)/python setup.py -q build -b build/sanitize --build-lib build/sanitize/lib
	$(SANITIZED) $(RUN)/pytest --import-mode=append tests/unit tests/property tests/integration

sanitize-threads: dev  ## run the tests of servers, senders and sessions under the thread sanitizer
	EDGELAKE_SANITIZE=thread $(RUN)/python setup.py -q build -b build/threads --build-lib build/threads/lib
	rm -f build/threads/report.*
	$(FOR_RACES) $(RUN)/python $(RUN)/pytest --import-mode=append $(RACES) || { cat build/threads/report.* 2>/dev/null; false; }

fuzz: dev  ## run the fuzz targets, each RUNS=n times or for SECONDS=n (needs Clang)
	$(RUN)/python -m tests.fuzz --runs $(RUNS) --seconds $(SECONDS)

faults: dev  ## kill nodes KILLS=n times and at as many system calls, break files, lock a database LOCKED=n s
	KILLS=$(KILLS) LOCKED=$(LOCKED) $(RUN)/python -m pytest -m faults -o timeout=3600 tests/faults

build: dev  ## make the sdist, and the wheel from it, in dist/
	rm -rf dist
	$(RUN)/python setup.py -q sdist
	$(RUN)/pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w dist dist/edgelake-*.tar.gz

clean:  ## remove what was built (but not .venv)
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks .venv/compiled
	find edgelake bench examples grammar tests \( -name '*.so' -o -name __pycache__ \) -prune -exec rm -rf {} +
