# Everything that is done with this repository is a target here; `make help` lists them.
#
# `go test ./...` at the root finds nothing, since the root is a workspace and not a module:
# use `go test work`, `go vet work`, or these targets, which go through the modules of go.work.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

MODULES   := $(shell sed -n 's|^[[:space:]]*\./||p' go.work)
LINT      := v2.15.0
OAPI      := v2.8.2
AXE       := 4.14.1
OASDIFF   := v1.35.0
BUF       := v1.75.0
PROTOC_GO := v1.36.12
PROTOC_RPC := v1.6.2
# npm's packages are in tests/interop/package.json.
NPM       := .bin/interop/node_modules/.package-lock.json
# What a program is made of and nothing more: no cgo, so that it runs in an empty container. A workspace build does not
# know its commit by itself.
REVISION  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
GOBUILD   := CGO_ENABLED=0 go build -trimpath -ldflags='-X example.com/ordersaga/internal/version.revision=$(REVISION)'
# The test runner stops a package that hangs long before a person would. Most tests wait for a database, a broker or a
# clock, so more of them run at once than there are processors. What vet finds is found by lint.
TESTFLAGS ?= -vet=off -shuffle=on -parallel=4 -timeout=20m
# Tests use the machine's own binaries unless they are given a server: containers only cost time here, and
# the kit's own tests try every source (TESTKIT=docker makes all of them run in containers; see pkg/testkit).
export TESTKIT ?= $(if $(TEST_DATABASE_URL),,local)


export PATH := $(CURDIR)/.bin:$(PATH)

## About

.PHONY: help
help: ## lists the targets
	@awk -F ':.*## ' '/^## / { print substr($$0, 3) } /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## Run it

.PHONY: build
build: ## compiles every program into bin/, the NATS server from its module among them
	@mkdir -p bin
	@$(GOBUILD) -o bin/ ./services/{order,inventory,payment,shipping,notification}/cmd/... ./apps/cmd/... github.com/nats-io/nats-server/v2

# The sidecar is a module of its own and not in go.work, so that what a collector requires is nobody else's. Its linter and
# tests compile with these settings, too, or all would be compiled twice.
SIDECAR_GO := GOWORK=off CGO_ENABLED=0 GOFLAGS=-trimpath

.PHONY: sidecar
sidecar: ## compiles the services' sidecar for telemetry into bin/telemetry (an OpenTelemetry collector: some minutes, once)
	@mkdir -p bin
	@cd telemetry && $(SIDECAR_GO) go build -ldflags='-s -w' -o ../bin/telemetry .

.PHONY: demo
demo: build $(if $(SIDECAR),sidecar) ## runs everything without Docker and plays the scenes (ONCE=1 ends after them, SCENES=none plays none, SIDECAR=1 adds sidecars)
	@bin/sagactl demo $(if $(ONCE),--once) $(if $(SCENES),--scenes=$(SCENES)) $(if $(SIDECAR),--sidecar)

# Containers need Docker and nothing else: these are short for docker compose, which works without make too.
RUN_FILE ?= .ordersaga/run.json

.PHONY: up
up: ## runs everything in containers (docker compose up), and writes .ordersaga/run.json for bin/sagactl
	@docker compose up --build --detach --wait --wait-timeout 300
	@mkdir -p $(dir $(RUN_FILE)) && docker compose cp secrets:/secrets/host/run.json $(RUN_FILE) && chmod 600 $(RUN_FILE)

.PHONY: down
down: ## ends the containers and removes their data
	@docker compose --profile '*' down --volumes --remove-orphans
	@rm -f $(RUN_FILE)

.PHONY: images
images: ## builds the containers' images and writes them to artifacts/images.tar, for docker load elsewhere
	@mkdir -p artifacts
	@docker compose --profile '*' build
	@docker save --output artifacts/images.tar $$(docker compose --profile '*' config --images | sort -u)

.PHONY: bench
bench: build ## measures sagas per second and their latency against the same work without messaging (AGAINST=DIR: against an earlier build's programs, PAIRS=7; HISTORY=1000,100000: with so many orders behind it)
	@bin/sagactl bench $(if $(HISTORY),--history '$(HISTORY)') $(if $(AGAINST),--against '$(AGAINST)' $(if $(PAIRS),--pairs $(PAIRS)))

.PHONY: bench-rpc
bench-rpc: build ## measures gRPC against REST at the same work: latency, bytes, CPU
	@bin/sagactl bench rpc

.PHONY: bench-console
bench-console: build .bin/.axe-$(AXE) ## measures the console: how soon an event is on the screen, what 500 sagas/s cost it, 10,000 sagas in the list, its start over 120,000
	@cd tests && go test -tags=browser -count=1 -timeout=10m -v -run 'KeepsUp|TenThousand' ./browser | grep -E 'load_test|^(---|ok|FAIL)'
	@cd apps && go test -count=1 -run '^$$' -bench Board_Completes -benchtime 3x ./internal/console/sagas | grep -E '^(Benchmark|ok|FAIL)'

## Change it

.PHONY: test
# The race detector needs cgo. It is not for tests/, whose tests drive other processes, or a model.
test: build .bin/.oasdiff-$(OASDIFF) .bin/.buf-$(BUF) ## tests every module on real Postgres and NATS, with the race detector (all but the containers)
	@rc=0; CGO_ENABLED=1 go test -race $(TESTFLAGS) $(patsubst %,./%/...,$(filter-out tests,$(MODULES))) || rc=$$?; \
	go test $(TESTFLAGS) ./tests/... || rc=$$?; exit $$rc

# The packages with tests of pacts: to link the tests of all others takes longer than to run these.
PACT_TESTS = $(shell grep -rl --include='*_test.go' '^func TestPacts_' $(MODULES) | xargs -n 1 dirname | sort -u | sed 's|^|./|')

.PHONY: contracts
contracts: tools ## compares every contract with the released one and with what its consumers read, and shows what is refused
	@go test -count=1 -run '^TestPacts_' $(PACT_TESTS)
	@cd tests && go test -count=1 ./contracts
	@if command -v npm >/dev/null; then $(MAKE) interop; else echo "npm is missing: other people's tools were not asked" >&2; fi
	@echo; echo "What the gates refuse, and why:"
	@cd tests && go test -count=1 -v -run '^TestGate_Refuses' ./contracts | grep -v -E '^=== (RUN|PAUSE|CONT)'

.PHONY: interop
interop: build $(NPM) ## has other people's tools read the contracts and use a running system: AsyncAPI, CloudEvents, Pact, clients of schema registries (needs npm; a part of make contracts)
	@cd tests/interop && export NODE_PATH=$(CURDIR)/.bin/interop/node_modules && \
		node asyncapi.cjs ../../pkg/events/asyncapi.yaml && go test -tags=interop -count=1 -timeout=10m -v . | grep -v -E '^=== (RUN|PAUSE|CONT)'

.PHONY: pacts
pacts: ## writes what every consumer reads, after a change of what it reads
	@WRITE_PACTS=1 go test -count=1 -run '^TestPacts_.*Reads$$' $(PACT_TESTS)

RELEASED := contracts/released

.PHONY: release-contracts
release-contracts: contracts ## makes the contracts as they are now the released ones
	@for service in order inventory payment shipping notification; do cp services/$$service/api/openapi.yaml $(RELEASED)/$$service/; done
	@cp contracts/gateway/api/openapi.yaml $(RELEASED)/gateway/
	@cp pkg/events/schemas/*.json $(RELEASED)/events/
	@cp services/order/api/negotiated.yaml $(RELEASED)/order/
	@cp services/order/api/order/v1/order.proto $(RELEASED)/order/order/v1/
	@cp services/inventory/api/inventory/v1/stock.proto $(RELEASED)/inventory/inventory/v1/

.PHONY: test-compose
test-compose: build ## tests the containers: the same sagas, and a service killed in the middle
	@cd tests && go test -tags=compose -shuffle=on -timeout=30m -v ./compose/...

.bin/pgbouncer: tests/pooler/pgbouncer.sh # Debian's own may be too old
	@tests/pooler/pgbouncer.sh $@

.PHONY: test-pooler
test-pooler: build .bin/pgbouncer ## runs services through PgBouncer in transaction mode, which is compiled where there is none (PGBOUNCER=: another one)
	@cd tests && go test -tags=pooler -count=1 -timeout=10m -v ./pooler | grep -v -E '^=== (RUN|PAUSE|CONT)'

.PHONY: test-browser
test-browser: build .bin/.axe-$(AXE) ## uses the console in a real browser (PICTURES=1 writes those of docs/console.md anew)
	@cd tests && AXE=$(CURDIR)/.bin/node_modules/axe-core/axe.min.js go test -tags=browser -count=1 -timeout=10m -v -skip KeepsUp ./browser $(if $(PICTURES),-args -pictures $(CURDIR)/docs/pictures)

.PHONY: conformance
conformance: build ## checks our services, and shipping in Node with and without mistakes, in their places (needs npm for the latter)
	@cd tests && go test -tags=conformance -count=1 -timeout=20m -v ./conformance | grep -v -E '^=== (RUN|PAUSE|CONT)'

.PHONY: crash-matrix
crash-matrix: build ## kills services at every named point in every kind of saga, and writes docs/reference/failures.md (ONLY='mail.': those cells)
	@cd tests && go test -tags=crashmatrix -count=1 -timeout=60m -v ./crash -args -write ../../docs/reference/failures.md $(if $(ONLY),-only '$(ONLY)')

.PHONY: crash-matrix-quick
crash-matrix-quick: build ## the same for each point of each service once, in one kind of saga
	@cd tests && go test -tags=crashmatrix -count=1 -timeout=20m ./crash -v -args -quick | grep -v -E '^=== (RUN|PAUSE|CONT)'

.PHONY: chaos
chaos: build ## breaks everything under load by a seeded schedule, heals it and verifies (SEED=1 MINUTES=3 RACE=)
	@if [ -n "$(RACE)" ]; then mkdir -p bin/race && cp bin/nats-server bin/race/ && go build -race -o bin/race/ ./services/{order,inventory,payment,shipping,notification}/cmd/... ./apps/cmd/...; fi
	@cd tests && $(if $(RACE),ORDERSAGA_BIN=$(CURDIR)/bin/race) go test -tags=chaos -count=1 -timeout=3h -v ./chaos -args -seed $(or $(SEED),1) -minutes $(or $(MINUTES),3)

.PHONY: labs
labs: build ## runs the pages of docs/labs as written, and without their breaks (ONLY=03, WRITE=1 writes what they print anew)
	@cd tests && go test -tags=labs -count=1 -parallel=2 -timeout=30m -v $(if $(ONLY)$(WRITE),-run '^Test(Labs|Patterns)_Each') ./labs -args $(if $(ONLY),-only '$(ONLY)') $(if $(WRITE),-write) | grep -v -E '^=== (RUN|PAUSE|CONT)'

.PHONY: quality
quality: build ## measures the quality scenarios of every commit, in four minutes (WRITE=1 keeps the results and writes docs/quality)
	@bin/sagactl quality run --cadence every-commit $(if $(WRITE),,--results artifacts/quality.json)

.PHONY: mutants
mutants: ## takes each guard away from the real source, and expects a test to turn red (ONLY='inbox payment': those)
	@cd tests && go run ./mutants $(ONLY)

.PHONY: wrong
wrong: build ## builds and runs each wrong way of docs/wrong: red as its page has it, green with the code as it is (ONLY=fence)
	@cd tests && go test -tags=labs -count=1 -parallel=2 -timeout=20m -v $(if $(ONLY),-run '^TestWays_') ./wrong $(if $(ONLY),-args -only '$(ONLY)') | grep -v -E '^=== (RUN|PAUSE|CONT)'

.PHONY: count
count: ## prints how large everything is, beside the limits that a test holds: lines, files, words
	@cd tests && go test -count=1 -v -run '^TestSize_' ./uniformity | sed -n 's/^ *size_test.go:[0-9]*: //p'

.PHONY: lint
lint: tools vet-darwin ## runs the linters of .golangci.yml over every module, and compiles all for macOS
	@go list -m -f '{{.Dir}}/...' | xargs golangci-lint run

.PHONY: fmt
fmt: tools ## formats the code
	@go list -m -f '{{.Dir}}' | xargs golangci-lint fmt

.PHONY: generate
generate: tools build ## writes the generated files anew: HTTP servers and clients, the broker's configuration, what follows from the saga's table
	@for module in $(MODULES); do (cd $$module && go generate ./...); done
	@bin/sagactl nats-conf >deploy/nats.conf
	@cd tests && WRITE_SAGA=1 go test -count=1 -run '^TestSaga_WhatIsGenerated' ./contracts

.PHONY: check
check: lint test check-tidy check-generated ## what must be green before a change goes in

.PHONY: check-full
check-full: check test-pooler test-browser test-compose test-module test-outside conformance check-sidecar crash-matrix mutants ## everything that there is, with 10 minutes of chaos: hours
	@$(MAKE) chaos MINUTES=10

.PHONY: check-sidecar
check-sidecar: build sidecar tools ## lints and tests the sidecar's module, and the system with sidecars, alerts and dashboards
	@cd telemetry && $(SIDECAR_GO) go mod tidy -diff && $(SIDECAR_GO) go vet ./... && $(SIDECAR_GO) golangci-lint run --config ../.golangci.yml ./...
	@cd telemetry && $(SIDECAR_GO) go test -count=1 -shuffle=on -timeout=10m ./...
	@cd tests && go test -tags=sidecar -count=1 -timeout=15m -v ./sidecar | grep -v -E '^=== (RUN|PAUSE|CONT)'
	@if docker compose --profile observability pull --quiet prometheus >/dev/null 2>&1; then \
		docker compose --profile observability run --rm --no-deps --entrypoint promtool prometheus check config /etc/prometheus/prometheus.yml; \
	else echo "observability: left out, its images cannot be had; alerts and dashboards were tested without them"; fi

.PHONY: check-tidy
check-tidy: ## fails when a go.mod or go.sum is not what the imports need (a workspace hides that)
	@for module in $(MODULES); do \
		echo "== tidy $$module"; (cd $$module && GOWORK=off go mod tidy -diff); \
	done

GENERATED = $(shell git ls-files '*.gen.go' '*.pb.go' deploy/nats.conf pkg/events/asyncapi.yaml docs/saga.md docs/reference/saga.md)

.PHONY: check-generated
check-generated: ## fails when a generated file is not what its source says
	@before=$$(sha256sum $(GENERATED)); $(MAKE) generate; \
	if ! diff <(echo "$$before") <(sha256sum $(GENERATED)); then \
		echo "generated files were stale; they have been written anew, look at git diff" >&2; exit 1; \
	fi

.PHONY: tidy
tidy: ## makes every go.mod what the imports need
	@for module in $(MODULES); do (cd $$module && GOWORK=off go mod tidy); done

.PHONY: module
module: tools ## gives all Go modules another path: make module MODULE=github.com/you/saga
	@cd tests && go run ./rename '$(MODULE)'
	@for module in $(MODULES); do (cd $$module && go generate -run 'buf generate' ./...); done
	@$(MAKE) tidy

.PHONY: test-module
test-module: tools ## renames the modules in a copy, and builds, vets and tests it
	@cd tests && go test -tags=renamed -count=1 -timeout=30m -v ./rename

.PHONY: test-outside
test-outside: ## requires a release of our modules in a module of another team's, and runs its tests
	@cd tests && go test -tags=outside -count=1 -timeout=30m -v ./outside

.PHONY: vet-darwin
vet-darwin: ## compiles everything for macOS, which nobody here runs
	@GOOS=darwin CGO_ENABLED=0 go vet work

.PHONY: tools
tools: .bin/.golangci-lint-$(LINT) .bin/.oapi-codegen-$(OAPI) .bin/.oasdiff-$(OASDIFF) .bin/.buf-$(BUF) ## installs linter, generators and contract gates into .bin/

# They are installed on their own and not as tools of a module: what they require must not change
# the versions that the programs are built with.
.bin/.golangci-lint-$(LINT):
	@echo "installing golangci-lint $(LINT) (about two minutes, once)"
	@GOBIN=$(CURDIR)/.bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT) && touch $@

.bin/.axe-$(AXE): # looks in the browser tests whether everybody can use a page
	@mkdir -p .bin && npm install --prefix .bin --no-save --no-audit --no-fund --ignore-scripts --silent axe-core@$(AXE) && touch $@

$(NPM): tests/interop/package-lock.json # in a folder of its own: npm removes from one what it has not been told of
	@mkdir -p .bin/interop && cp tests/interop/package*.json .bin/interop/
	@npm ci --prefix .bin/interop --no-audit --no-fund --ignore-scripts --silent && touch $@

.bin/.oapi-codegen-$(OAPI):
	@GOBIN=$(CURDIR)/.bin go install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@$(OAPI) && touch $@

.bin/.oasdiff-$(OASDIFF):
	@GOBIN=$(CURDIR)/.bin go install github.com/oasdiff/oasdiff@$(OASDIFF) && touch $@

.bin/.buf-$(BUF):
	@GOBIN=$(CURDIR)/.bin go install github.com/bufbuild/buf/cmd/buf@$(BUF)
	@GOBIN=$(CURDIR)/.bin go install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GO)
	@GOBIN=$(CURDIR)/.bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_RPC)
	@touch $@

.PHONY: clean
clean: ## removes what was built and what a run left behind
	@rm -rf bin .ordersaga artifacts
