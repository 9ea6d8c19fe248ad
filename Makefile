.DEFAULT_GOAL := help
SHELL := /bin/bash

FUZZTIME ?= 3s

.PHONY: help
help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/pgherald and bin/pgherald-bench
	go build -o bin/ ./cmd/pgherald ./cmd/pgherald-bench

.PHONY: demo
demo: build ## show everything working; ARGS="--ephemeral --simulate=0"
	bin/pgherald demo $(ARGS)

.PHONY: setup
setup: ## install what the tests need: a PostgreSQL, on Debian with apt
	tools/setup

.PHONY: test
test: setup ## run the tests of every change, in about twenty minutes on two cores
	tools/test

.PHONY: soak
soak: setup ## run the long tests, on PostgreSQL 13 to 18; SHORT=1 as CI does
	tools/soak

.PHONY: client
client: ## test the npm package in web/client
	tools/test-client

.PHONY: browser
browser: setup ## test the console and the dashboard in a headless Chromium, with pictures
	tools/test-browser

.PHONY: fuzz
fuzz: ## run every fuzz test for FUZZTIME, such as 10m
	FUZZTIME=$(FUZZTIME) tools/fuzz

.PHONY: install-test
install-test: setup ## install, upgrade and purge the Debian package on this machine, as root
	tools/test-install

.PHONY: release-snapshot
release-snapshot: ## make what a release has in dist/, without publishing
	go tool -modfile=tools/release/go.mod goreleaser release --snapshot --clean
	cp .cache/release/*.tgz .cache/release/*.tar .cache/release/npm/*.tgz .cache/release/python/*.whl dist/
	cd dist && sha256sum --check --quiet SHA256SUMS

.PHONY: lint
lint: ## check formatting, modules and import rules
	tools/run-lint

.PHONY: audit
audit: ## look for known weaknesses of the dependencies
	tools/audit

.PHONY: docs
docs: ## build the documentation as a site in tools/docs/dist, and check its links
	tools/docs/build

.PHONY: bench
bench: ## run the Go benchmarks
	go test -run '^$$' -bench . -benchmem ./stream ./api/sse

.PHONY: measure
measure: build ## measure the server; ARGS="latency --ephemeral"
	bin/pgherald-bench $(or $(ARGS),--help)

.PHONY: cover
cover: setup ## say how much of each function the tests reach
	go test -p 2 -timeout 20m -coverpkg=./... -coverprofile=cover.out ./...
	go tool cover -func=cover.out

.PHONY: clean
clean: ## remove what was built
	rm -rf bin cover.out
