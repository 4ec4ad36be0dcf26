PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 20
WORKERS ?= 3
TEXTS ?= 100000
STATIC := src/askwise/app/static

.DEFAULT_GOAL := help
.PHONY: help demo test docs peers check lint types bench bench-speed balance certificate control learners screening reproduce screenshots load latency numbers clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/askwise: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Askwise needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/dev: pyproject.toml $(BIN)/askwise
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev,parquet,embed]"
	@touch $@

demo: $(BIN)/askwise ## The spam filter challenge on real messages (about a minute)
	$(BIN)/askwise demo --out demo

test: export PYTHONDONTWRITEBYTECODE = # or each of the many programs that tests start compiles all of Askwise
test: $(VENV)/dev ## Run the tests, docs included; WORKERS=3 modules at a time, then those that measure time alone
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -q -m alone $$(grep -rl --include='test_*.py' 'mark[.]alone' tests)

docs: $(VENV)/dev ## Build the site of the documentation into build/docs, and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

.venv-peers/installed.json: benchmarks/peers.txt | $(VENV)/dev
	rm -rf $(@D)
	cd benchmarks && ../$(BIN)/python -c 'from speed import install_peers; print(install_peers())'

peers: .venv-peers/installed.json ## Install the libraries that tests/test_peers.py compares with

lint: $(VENV)/dev ## Style, of Python and of the pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/oxlint -c .oxlintrc.json $(STATIC)
	$(BIN)/oxfmt -c .oxfmtrc.json --check $(STATIC)

types: $(VENV)/dev ## Types of the library
	$(BIN)/mypy

check: lint types test ## Everything that must pass: lint, types, tests

bench: $(VENV)/dev ## Measure: labels to target on spam, latency in a real browser
	$(BIN)/python benchmarks/spam.py --seeds $(SEEDS)
	$(BIN)/python benchmarks/latency.py

bench-speed: $(VENV)/dev ## Measure: speed beside other libraries (QUICK=1: some minutes)
	$(BIN)/python benchmarks/speed.py $(if $(QUICK),--quick)

balance: $(VENV)/dev ## Measure: what strategies spend on outliers and coin flips (minutes)
	$(BIN)/python benchmarks/balance.py --docs --processes 2

certificate: $(VENV)/dev ## Measure: what certificates cost, and whether they are true (hours)
	for section in cost limits display coverage; do $(BIN)/python benchmarks/certificate.py $$section --processes 2; done
	$(BIN)/python benchmarks/certificate.py --docs

control: $(VENV)/dev ## Measure: the comparison with random questions, and the forecast (an hour)
	for part in compare forecast tables; do $(BIN)/python benchmarks/control.py $$part; done

learners: $(VENV)/dev ## Measure: learners and strategies beside a practitioner (hours; QUICK=1: minutes)
	mkdir -p build
	$(BIN)/askwise benchmark benchmarks/learners.toml $(if $(QUICK),--quick) \
		--out build/learners$(if $(QUICK),-quick).parquet --report build/learners.html

screening: $(VENV)/dev ## Measure: searches for rare items beside ASReview and BUSCAR (an hour)
	$(BIN)/python benchmarks/screening.py

reproduce: $(VENV)/dev .venv-peers/installed.json ## Measure: published experiments run again (many hours; QUICK=1: minutes)
	for part in lu screening trec lcmd peers; do \
		$(BIN)/python benchmarks/reproduce.py $$part $(if $(QUICK),--quick,--docs) || failed=1; \
	done; exit $${failed:-0}

numbers: $(VENV)/dev ## Measure: strategies and learners where an answer is a number (half an hour)
	$(BIN)/python benchmarks/regression.py --docs

screenshots: $(VENV)/dev ## Take the pictures of docs/images anew
	$(BIN)/python benchmarks/screenshots.py

load: $(VENV)/dev ## Measure: fifty people labeling at once (11 minutes)
	$(BIN)/python benchmarks/load.py --docs

latency: $(VENV)/dev ## Measure: the labeling page beside ASReview's (minutes; TEXTS="10000 100000", QUICK=1)
	$(BIN)/python benchmarks/latency.py --beside --docs --texts $(TEXTS) $(if $(QUICK),--quick)

clean: ## Remove what make built
	rm -rf $(VENV) .venv-peers .venv-screening demo out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
