# What a person types. `make` alone lists it. What a target does at length stands in infra/local/.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
JOBS ?= 2
SEEDS ?= 10000
SEED ?= 1
TURNS ?= 300
SECONDS ?= 200
BIN := .venv/bin
export PYTHON

.PHONY: help setup setup-dev run kafka kafka-stop certificates up keys down stack-test test test-servers chaos check format lint types imports protos page bench train simulate proto lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## make .venv with everything that running needs (Python alone; seconds when nothing changed)
	@infra/local/setup.sh run
	@echo 'Installed. To have `parlance` on your PATH, type:'
	@echo '  export PATH="$$PWD/.venv/bin:$$PATH"'

setup-dev: # the same, with what tests and checks need
	@infra/local/setup.sh dev

run: setup ## start Parlance: gRPC on 127.0.0.1:50051, the page on 127.0.0.1:8080; Ctrl-C ends it
	@exec $(BIN)/parlance run

kafka: ## start a Kafka broker on 127.0.0.1:19092 (Java 17, Maven; KAFKA_PORT=n; KAFKA_TLS=.tls: certificates)
	@infra/local/kafka.sh start

kafka-stop: ## end it; its data stays in .kafka/
	@infra/local/kafka.sh stop

up: ## start the stack in Docker: Kafka, PostgreSQL, one container a service (COMPOSE_PROFILES=observability: dashboards)
	@infra/local/stack.sh up

keys: ## give llm of the stack its keys of vendors: KEYS=secrets.env, a file of lines NAME=value that only you may read
	@infra/local/stack.sh keys "$(or $(KEYS),secrets.env)"

down: ## end it; its data stays in Docker's volumes
	@infra/local/stack.sh down

stack-test: setup-dev ## build the stack, speak to it, kill parts of it, end it (needs Docker)
	@infra/local/stack.sh test

certificates: setup-dev ## make .tls: an authority and a certificate for each service (RENEW=1: anew)
	@$(BIN)/python infra/local/certificates.py $(if $(RENEW),--renew)

test: setup-dev ## the tests that need Python alone (about 5 minutes on two cores)
	$(BIN)/pytest -n $(JOBS) --dist loadfile -m "not browser and not node and not kafka and not postgres and not stack"

test-servers: setup-dev ## those on a real Kafka and PostgreSQL (Docker, or Java, Maven and PostgreSQL's programs)
	$(BIN)/pytest -n $(JOBS) --dist loadfile -m "(kafka or postgres) and not stack"

check: setup-dev format lint types imports protos page ## formatting, types, import rules, protos, and the page in a browser

format: setup-dev
	$(BIN)/ruff format --check .

lint: setup-dev
	$(BIN)/ruff check .

types: setup-dev
	$(BIN)/mypy

imports: setup-dev
	PYTHONPATH=libs:. $(BIN)/lint-imports --no-logo

protos: setup-dev
	$(BIN)/python infra/local/protos.py --check
	infra/local/buf.sh

page: setup-dev
	infra/local/page.sh

bench: setup-dev ## measure, print the table, write benchmarks/results/
	$(BIN)/python -m benchmarks

train: setup-dev ## train the intent head and count the requests anew from data/nlu
	$(BIN)/python -m services.intent.train
	$(BIN)/python -m services.speech.requests_build

simulate: setup-dev ## run the seeded simulation: make simulate SEEDS=10000
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

chaos: setup-dev ## kill, freeze and cut off real processes on a real broker: make chaos SEED=7 (TURNS=, SECONDS=: longer)
	$(BIN)/python -m tests.chaos --seed $(SEED) --turns $(TURNS) --seconds $(SECONDS)

proto: setup-dev ## generate libs/parlance/v1 from protos/
	$(BIN)/python infra/local/protos.py

lock: setup-dev ## pin all packages again from pyproject.toml (UPGRADE=1: the newest)
	@infra/local/lock.sh

clean: ## remove .venv and what tools left behind
	rm -rf .venv infra/node/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
