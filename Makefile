# Two commands: `make book` and `make test`. Each makes its own environment the first time.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TOOLS  := $(VENV)/.installed-tools
MODULE ?= dlbook/perceptron/perceptron.py
# Counting lines costs a sixth of the time: in CI, or by `make test COVER=--cov`.
COVER  ?= $(if $(CI),--cov --cov-report=term:skip-covered)

# `make claims` takes profiles and pages: make claims PROFILES="far seeds1" ONLY="lenet playground".
PROFILES ?=
ONLY     ?=

# One thread a kernel and as many kernels as cores: faster than the reverse, and the only choice whose numbers repeat.
export OMP_NUM_THREADS := 1
unexport MPLBACKEND

.PHONY: book test readme lint check claims serve watch bench reproduce weigh pdf mutate lock chapter contents clean
.DEFAULT_GOAL := book

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); sys.exit(0 if ok else f"Python 3.11 to 3.13 is needed, found {sys.version.split()[0]}: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS): $(STAMP) requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

book: $(STAMP)  ## execute what changed and render the site
	@$(BIN)/python book/_ext/build.py $(if $(BUDGET),--budget $(BUDGET))

test: $(TOOLS)  ## run the tests (those of the site look at what `make book` built); KERNELS=far: as another machine
	@$(if $(KERNELS),eval "$$($(BIN)/python book/_ext/claims.py --export $(KERNELS))"; )$(BIN)/python -m pytest --numprocesses=logical --dist=loadscope -q $(COVER)
	@echo "all tests passed$(if $(COVER),; coverage is above)"

readme: $(TOOLS)  ## run the commands of README.md in new environments, into which it installs packages
	@README=1 $(BIN)/python -m pytest -q tests/test_readme.py

lint: $(TOOLS)  ## style, types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

check: export STRICT := 1
check: lint book test reproduce claims  ## all that CI runs, and more; a claim that does not hold is an error

claims: $(STAMP)  ## execute pages as other machines would: with all seeds moved, and by other kernels
	@$(BIN)/python book/_ext/claims.py $(PROFILES) $(if $(ONLY),-- $(ONLY))

serve: book  ## show the site on http://localhost:8000
	@echo "http://localhost:8000" && $(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

watch: $(STAMP)  ## rebuild the page that changed and reload it
	@$(BIN)/python book/_ext/watch.py

bench: $(TOOLS)  ## time the implementations against their library twins, for the page of benchmarks
	@$(BIN)/python tests/bench.py $(ONLY)

reproduce: $(STAMP)  ## execute chapters once more and compare every output bit for bit
	@$(BIN)/python book/_ext/reproduce.py $(SAMPLE)

weigh: $(TOOLS)  ## load every page of the built site as a slow machine would, and print what it weighs
	@$(BIN)/python book/_ext/weigh.py --check $(ONLY)

pdf: $(TOOLS) book  ## print the chapters and the book as PDFs, by Chromium, and link them from the site; ONLY="book/convolution/lenet"
	@$(BIN)/python book/_ext/paper.py $(ONLY)

mutate: $(TOOLS)  ## plant faults in a module and count those that no test sees: make mutate MODULE=dlbook/...
	@$(BIN)/python tests/mutate.py $(MODULE)

chapter: $(STAMP)  ## begin a chapter of book/parts.yml: make chapter PART=regularization NAME=norm-penalties AS=penalties
	@$(BIN)/python book/_ext/new_chapter.py $(PART) $(NAME) $(if $(AS),--module $(AS))

contents: $(STAMP)  ## write _toc.yml and the pages of the API from book/parts.yml and what exists
	@$(BIN)/python book/_ext/contents.py

lock: $(TOOLS)  ## write the lock files for what pyproject.toml says; UPGRADE=1 takes the newest versions
	@$(BIN)/python book/_ext/lock.py $(if $(UPGRADE),--upgrade)

clean:  ## remove what was built, but not the environment
	rm -rf _build dist .pytest_cache .mypy_cache .ruff_cache .coverage mutants
