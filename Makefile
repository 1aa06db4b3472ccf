# The door to the tooling: `make demo` and `make test` need python3 and make, and bring the rest themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV ?= .venv
PLATFORMS ?= debian12 debian13 centos9 centos10
SCENARIOS ?= platform default el rollback sources standalone dependency layouts refusals
LOAD_PLATFORMS ?= debian12 centos9
JOBS ?= 2
export VENV PLATFORMS SCENARIOS JOBS

TOOLS := tests/tools
RUN := $(TOOLS)/in_venv.sh

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup engine ## Take a bare container to a running Django site, and ask the doctor
	@tests/images/build.sh --flavour bare $(firstword $(PLATFORMS))
	@$(RUN) python $(TOOLS)/demo.py

.PHONY: test
test: ## Run everything: lint, unit, every scenario on every platform
	@$(TOOLS)/test.py

.PHONY: setup
setup: ## Put the pinned tools into .venv
	@$(TOOLS)/setup.sh

.PHONY: engine
engine: ## Make a container engine answer
	@$(TOOLS)/engine.sh

.PHONY: images
images: engine ## Build the container images of the platforms
	@tests/images/build.sh $(PLATFORMS)

.PHONY: lint
lint: setup ## ansible-lint, yamllint, ruff, mypy
	@$(TOOLS)/test.py lint

.PHONY: unit
unit: setup ## The unit tests
	@$(RUN) pytest tests/unit

.PHONY: mutants
mutants: setup ## Break module_utils at random; how often do the unit tests notice? (N=100 SEED=... FILES='nginx/*')
	@$(RUN) python $(TOOLS)/mutants.py --jobs $(JOBS) $(if $(N),--number $(N)) $(if $(SEED),--seed $(SEED)) $(foreach file,$(FILES),'$(file)')

.PHONY: compat
compat: setup ## The tests of what is shipped to hosts, with the oldest ansible-core that is supported
	@$(TOOLS)/compat.sh

.PHONY: docs
docs: setup ## Write the documentation that is generated: docs/, the roles' READMEs
	@$(RUN) python $(TOOLS)/docs.py

.PHONY: molecule
molecule: ## Every scenario on every platform (choose with SCENARIOS=... PLATFORMS=...)
	@$(TOOLS)/test.py molecule

.PHONY: load
load: ## Change sites under load, in every way, without a failed request
	@LOAD_PLATFORMS="$(LOAD_PLATFORMS)" $(TOOLS)/test.py load

.PHONY: faults
faults: ## Break hosts, releases and runs, and look whether the site answers
	@LOAD_PLATFORMS="$(LOAD_PLATFORMS)" $(TOOLS)/test.py faults

.PHONY: upgrade
upgrade: ## Take a host of version 0.1.0 to this one, back and forward, without a failed request
	@LOAD_PLATFORMS="$(LOAD_PLATFORMS)" $(TOOLS)/test.py upgrade

.PHONY: soak
soak: setup engine images ## Ten minutes of load and deploys; writes docs/load.md
	@PYTHONPATH=tests/hosts:tests/load PYWEB_PLATFORM=$(firstword $(LOAD_PLATFORMS)) $(RUN) python tests/load/soak.py

.PHONY: doctor-test
doctor-test: ## Make every fault on a healthy site; the doctor has to name it (writes docs/doctor.md)
	@LOAD_PLATFORMS="$(LOAD_PLATFORMS)" $(TOOLS)/test.py doctor

.PHONY: bench
bench: setup engine images ## Measure the budgets
	@PYTHONPATH=tests/hosts $(RUN) python tests/bench/run.py

.PHONY: build
build: setup ## Build the collection's archive
	@$(RUN) ansible-galaxy collection build --force

.PHONY: destroy
destroy: ## Remove the containers of the demo and the tests
	@$(TOOLS)/destroy.sh

.PHONY: clean
clean: destroy ## Remove what the targets above made in this directory
	rm -rf $(VENV) .demo .test-logs .cache .ansible .mypy_cache .ruff_cache .pytest_cache pyweb-stack-*.tar.gz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
