# The door to the tooling: `make demo` and `make test` need python3 and make, and bring the rest themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV ?= .venv
# Of the targets that take one host; `make test` and its parts choose by PLATFORMS, FULL, SCENARIOS and JOBS, which
# tests/tools/test.py explains.
PLATFORM ?= $(or $(firstword $(PLATFORMS)),debian12)
SCENARIO ?= default
export VENV PLATFORM SCENARIO

TOOLS := tests/tools
RUN := $(TOOLS)/in_venv.sh

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup engine ## Deploy a Django site into a new container, and run the doctor
	@tests/images/build.sh --flavour bare $(PLATFORM)
	@$(RUN) python $(TOOLS)/demo.py

.PHONY: test
test: ## Test everything on one platform of each family, the basics on the others: about 45 minutes
	@$(TOOLS)/test.py

.PHONY: test-all
test-all: ## Test everything on every platform, and the doctor with every fault of the long table
	@FULL=all $(TOOLS)/test.py

.PHONY: test-vm
test-vm: ## A site on a host with SELinux, enforcing: a virtual machine in software emulation (Debian 12; needs root; half an hour)
	@$(TOOLS)/test.py vm

.PHONY: setup
setup: ## Install the pinned tools into .venv
	@$(TOOLS)/setup.sh

.PHONY: link
link: ## Make this checkout the collection pyweb.stack for an Ansible of your own (setup does it too)
	@$(TOOLS)/link.sh

.PHONY: engine
engine: ## Start a container engine, and install it if it is missing
	@$(TOOLS)/engine.sh

.PHONY: images
images: engine ## Build the container images of the platforms
	@tests/images/build.sh $(or $(PLATFORMS),$(shell $(TOOLS)/platforms.py local))

.PHONY: lint
lint: setup ## ansible-lint, yamllint, ruff, mypy, codespell, changelog fragments, generated pages
	@$(TOOLS)/test.py lint

.PHONY: unit
unit: setup ## The unit tests; for only some of them, make unit ARGS="tests/unit/test_overlay.py", or ARGS="-k overlay"
	@$(RUN) pytest $(ARGS)

.PHONY: compat
compat: setup ## The tests of the code that is sent to hosts, with the oldest supported ansible-core
	@$(TOOLS)/compat.sh

.PHONY: gates
gates: ## Check the built archive: Galaxy's importer, the lint of its documentation, Python 3.9 to 3.14 compile it
	@$(TOOLS)/test.py gates

.PHONY: sanity
sanity: setup ## The sanity tests of ansible-test (CORE=2.16 chooses an ansible-core; ARGS="--test pylint")
	@ANSIBLE_CORE=$(CORE) $(TOOLS)/sanity.sh sanity $(ARGS)

.PHONY: ansible-test-units
ansible-test-units: setup ## The unit tests as ansible-test runs them, each in a process of its own
	@ANSIBLE_CORE=$(CORE) $(TOOLS)/sanity.sh units $(ARGS)

.PHONY: mutants
mutants: setup ## Break module_utils at random, and count how often the unit tests notice (N=100 SEED=... FILES='nginx/*')
	@$(RUN) python $(TOOLS)/mutants.py $(if $(JOBS),--jobs $(JOBS)) $(if $(N),--number $(N)) $(if $(SEED),--seed $(SEED)) $(foreach file,$(FILES),'$(file)')

.PHONY: fuzz
fuzz: setup ## Test random hostile inventories, projects and answers until one breaks something (MINUTES=10 EXAMPLES=300 SEED=...)
	@$(RUN) python $(TOOLS)/fuzz.py $(if $(MINUTES),--minutes $(MINUTES)) $(if $(EXAMPLES),--examples $(EXAMPLES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: docs
docs: setup ## Write the generated documentation: docs/, the roles' READMEs
	@$(RUN) python $(TOOLS)/docs.py

.PHONY: docs-site
docs-site: ## Build the site of the documentation, in build/site
	@REQUIREMENTS=requirements-docs.txt VENV=.venv-docs $(TOOLS)/setup.sh
	@VENV=.venv-docs $(RUN) python $(TOOLS)/docs_site.py

.PHONY: docs-site-test
docs-site-test: ## Build the site, and open every page of it in a browser (Chromium is installed if it is missing)
	@$(TOOLS)/test.py docs-site

.PHONY: pins
pins: setup ## Pin the newest uv and uWSGI that are downloaded by default, with their hashes (ARGS="uv=0.13.9")
	@$(RUN) python $(TOOLS)/pins.py $(ARGS)

.PHONY: molecule
molecule: ## The scenarios of `make test` (choose with SCENARIOS=... PLATFORMS=...)
	@$(TOOLS)/test.py molecule

.PHONY: converge verify login
converge: setup engine ## Run a scenario's playbook in a container that is kept: PLATFORM=debian12 SCENARIO=default
	@tests/images/build.sh $(PLATFORM)
	@$(RUN) $(TOOLS)/scenario.sh converge

verify: setup ## Run the tests of a scenario after `make converge`
	@$(RUN) $(TOOLS)/scenario.sh verify

login: ## Open a shell in the container of a scenario after `make converge`
	@$(TOOLS)/scenario.sh login

.PHONY: load
load: ## Change sites under load, in every way, without a failed request
	@$(TOOLS)/test.py load

.PHONY: faults
faults: ## Break hosts and runs, and check that the site answers
	@$(TOOLS)/test.py faults

.PHONY: workers
workers: ## Deploy a site with Celery, django-tasks and a timer: tasks finish once, and no worker is left
	@$(TOOLS)/test.py workers

.PHONY: mistakes
mistakes: ## Deploy sites with mistakes; the old release keeps answering, and the error names the cause
	@$(TOOLS)/test.py mistakes

.PHONY: projects
projects: ## Deploy projects of every layout on one host, and request them; errors name the cause
	@$(TOOLS)/test.py projects

.PHONY: guest
guest: ## Serve sites on hosts with other services, and compare the hosts before and after
	@$(TOOLS)/test.py guest

.PHONY: guides
guides: ## Run README.md, the tutorials and the how-to guides as they are written
	@$(TOOLS)/test.py guides

.PHONY: install-test
install-test: ## Build the archive, install it, and run every playbook over SSH with sudo and its password
	@$(TOOLS)/test.py install

.PHONY: matrix
matrix: ## Check, run, run again, deploy, roll back and examine a site with each supported ansible-core, and the newest
	@$(TOOLS)/test.py matrix

.PHONY: upgrade
upgrade: ## Upgrade a host of version 0.1.0 to this one, back and forward, without a failed request
	@$(TOOLS)/test.py upgrade

.PHONY: hostile
hostile: ## Attack the host and its sites as a compromised site and as a local user would
	@$(TOOLS)/test.py hostile

.PHONY: https
https: ## Get certificates from a CA, renew them, lose the CA, and request the sites over https meanwhile
	@$(TOOLS)/test.py https

.PHONY: soak
soak: setup engine images ## Ten minutes of load and deploys; writes docs/load.md
	@PYTHONPATH=tests/hosts:tests/load PYWEB_PLATFORM=$(PLATFORM) $(RUN) python tests/load/soak.py

.PHONY: doctor-test
doctor-test: ## Cause every fault on a healthy site; the doctor must name it (writes docs/doctor.md)
	@$(TOOLS)/test.py doctor

.PHONY: doctor-long
doctor-long: ## The doctor's long table: faults and healthy sites of every style (writes docs/doctor.md)
	@$(TOOLS)/test.py doctor-long

.PHONY: bench
bench: setup engine images ## Measure the budgets
	@PYTHONPATH=tests/hosts $(RUN) python tests/bench/run.py

.PHONY: build
build: setup ## Build the collection's archive
	@$(RUN) ansible-galaxy collection build --force

.PHONY: destroy
destroy: ## Remove the containers of the demo and the tests; with SCENARIO=... only that scenario's
	@$(if $(filter-out file,$(origin SCENARIO)),$(TOOLS)/scenario.sh destroy,$(TOOLS)/destroy.sh)

.PHONY: clean
clean: destroy ## Remove what the targets above created in this directory
	rm -rf $(VENV) .venv-docs build .demo .test-logs .cache .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis pyweb-stack-*.tar.gz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
