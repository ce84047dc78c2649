# Every target installs what it needs into .venv first, and only when pyproject.toml or constraints.txt changed.
#   make tour    every notebook in order, one report          make lab     JupyterLab on the notebooks
#   make test    all tests                                    make bench   timings, also written to runs/bench.json
#   make book    the newest tour as a book                    make kit     a folder for a stick, for laptops without a network
#   make clean   removes .venv and caches, never runs
# Variables: PYTHON=python3.12  PROFILE=smoke|workshop|class|full  BROWSER=1 (install Debian's Chromium for the browser tests)

PYTHON  ?= python3
PROFILE ?= class
BROWSER ?= 0
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed

.PHONY: tour lab test bench book kit clean chromium
.DELETE_ON_ERROR:

tour: $(STAMP)
	$(BIN)/pancreas-ssl tour --profile $(PROFILE)

lab: $(STAMP)
	$(BIN)/jupyter lab notebooks

test: $(STAMP) chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

book: $(STAMP)
	$(BIN)/pancreas-ssl book

kit: $(STAMP)
	$(BIN)/pancreas-ssl kit

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache pancreas_ssl.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[book,cluster,dicom,itk,test]'
	touch $(STAMP)

# The browser tests use Chromium if it is there; it is installed only in CI or when asked for.
chromium:
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif [ "$(CI)" = true ] || [ "$(BROWSER)" = 1 ]; then \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq chromium >/dev/null; \
	else echo "No Chromium found: the browser tests will be skipped (make test BROWSER=1 installs Debian's)."; fi
