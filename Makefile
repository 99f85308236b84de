# SPDX-License-Identifier: GPL-3.0-or-later
# Every target runs through tools/env.py, which first installs and builds whatever is missing.

# Also where the environment has no PATH at all.
export PATH := $(if $(PATH),$(PATH):)/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

RUN := python3 tools/env.py
LAYERS := lint types sanity unit kernel molecule
NODE ?= director
NAME ?=

.PHONY: help test test-full drill bench demo demo-down demo-ssh $(LAYERS) format build clean-cache
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

test: ## run the daily tests: lint types sanity unit kernel molecule
	@$(RUN) python -m tools.test

test-full: ## run all tests, on all kernels and clusters; started again, it continues where it stopped
	@$(RUN) python -m tools.test --full

drill: ## list the failure drills, or run one on a cluster under load: make drill NAME=a_real_server_dies
	@$(RUN) python -m tools.drill $(NAME)

bench: ## compare ipvs_table with ipvsadm, and measure the traffic through the director by each method
	@$(RUN) python -m tools.bench
	@$(RUN) python -m tools.share

demo: ## set up a small cluster from its description, and send requests to it
	@$(RUN) python -m tools.demo up

demo-ssh: ## log in to one of the demo's machines: make demo-ssh NODE=director
	@$(RUN) python -m lab --name demo ssh $(NODE)

demo-down: ## shut the demo's machines down
	@$(RUN) python -m tools.demo down

lint: ## check style, metadata, documentation and the package
	@$(RUN) python -m tools.test lint

types: ## run mypy
	@$(RUN) python -m tools.test types

sanity: ## run ansible-test sanity
	@$(RUN) python -m tools.test sanity

unit: ## test the pure parts, on every Python that a managed host may have
	@$(RUN) python -m tools.test unit

kernel: ## test the modules against a real IPVS
	@$(RUN) python -m tools.test kernel

molecule: ## test the roles on whole clusters
	@$(RUN) python -m tools.test molecule

format: ## format the Python files, and fix what ruff can fix
	@$(RUN) ruff check --fix --exit-zero --quiet .
	@$(RUN) ruff format .

build: ## build the collection for Galaxy
	@$(RUN) ansible-galaxy collection build --force

clean-cache: ## remove everything that was downloaded or built
	@python3 -B -m tools.clean
