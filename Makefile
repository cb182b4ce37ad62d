# The two commands of a newcomer are `make demo` and `make test`; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(BREAKGLASS_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/breakglass)
DENY_VERSION := 0.20.2
DENY := $(CACHE)/tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
# Crates that must stay free of IO: no tokio, no Kubernetes client, no clock of their own.
PURE := breakglass-protocol breakglass-hub-core breakglass-agent-core breakglass-render

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: prepare ## A hub, two real clusters with agents, and one approved session you can exec into
	@e2e/programs.sh >/dev/null
	@cargo run --quiet --locked -p breakglass-e2e --bin demo -- up

.PHONY: demo-down
demo-down: ## End the demo and remove everything it made
	@cargo run --quiet --locked -p breakglass-e2e --bin demo -- down

.PHONY: test
test: prepare ## Everything: format, lints, rules, programs, charts, and sessions on real clusters
	@.ci/stages

.PHONY: prepare
prepare: ## Check the toolchains and install the few Debian packages that are missing
	@e2e/prepare.sh

.PHONY: lint
lint: ## Format and clippy, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: purity
purity: ## The rules crates and the protocol depend on neither tokio nor a Kubernetes client; nothing depends on ring
	@for crate in $(PURE); do \
	  tree=$$(cargo tree --locked -p $$crate -e normal --prefix none --format '{p}'); \
	  bad=$$(grep -E '^(tokio|kube-client|kube-runtime|hyper|mio|rand|getrandom) ' <<<"$$tree" | sort -u || true); \
	  [ -z "$$bad" ] || { echo "$$crate must stay pure, but depends on:"; echo "$$bad"; exit 1; }; \
	  echo "$$crate is pure"; \
	done
	@ring=$$(cargo tree --locked --workspace -e normal,build -i ring 2>/dev/null || true); \
	  [ -z "$$ring" ] || { echo "ring is in the build; rustls would find two providers and panic:"; echo "$$ring"; exit 1; }; \
	  echo "no ring in the build"

.PHONY: deny
deny: $(DENY) ## Licences, sources and bans of everything in Cargo.lock
	$(DENY) --locked check bans licenses sources

.PHONY: advisories
advisories: $(DENY) ## Known advisories; needs a network that reaches the RustSec database
	$(DENY) --locked check advisories

$(DENY):
	@echo "building cargo-deny $(DENY_VERSION) (once, takes some minutes) …" >&2
	cargo install --quiet --locked cargo-deny --version $(DENY_VERSION) --root $(CACHE)/tools/cargo-deny-$(DENY_VERSION)

.PHONY: unit
unit: ## Rules and programs, without a cluster
	cargo test --workspace --exclude breakglass-e2e --locked

.PHONY: gen
gen: ## Write every generated and golden file anew (CRDs, access matrix, OpenAPI, template corpus); review the difference like code
	@if command -v go >/dev/null; then cd $(ORACLE) && go run . corpus ../corpus; \
	else echo "no Go here: what Go makes of the template corpus stays as it is"; fi
	UPDATE_GOLDEN=1 cargo test --workspace --exclude breakglass-e2e --locked

# What templates are held against: needs Go.
ORACLE := agent/render/tests/oracle
ORACLE_BIN = $(CACHE)/tools/template-oracle
MINUTES ?= 30
SEED ?= 1

.PHONY: oracle
oracle:
	@mkdir -p $(dir $(ORACLE_BIN))
	@cd $(ORACLE) && go build -o $(ORACLE_BIN) .

.PHONY: fuzz-templates
fuzz-templates: oracle ## Random templates against Go's own engine (MINUTES=30 SEED=1)
	cargo test --locked --release -p breakglass-render --test fuzz -- --oracle $(ORACLE_BIN) --minutes $(MINUTES) --seed $(SEED)

.PHONY: bench-templates
bench-templates: oracle ## Renders per second beside Go's own engine
	@GO_RENDERS="$$($(ORACLE_BIN) bench agent/render/tests/corpus)" \
	cargo bench --locked -p breakglass-render --bench render

.PHONY: bench-api
bench-api: ## How fast the REST API is with 100,000 stored sessions (BENCH="--rate 500 --seconds 20")
	cargo bench --locked -p breakglass-hub --bench api -- $(BENCH)

.PHONY: fuzz-api
fuzz-api: ## A real hub against its OpenAPI document, more of it than in `make test`
	@EXAMPLES=$${EXAMPLES:-50} PHASES=examples,coverage,fuzzing .ci/fuzz-api

.PHONY: e2e
e2e: prepare ## Sessions on real clusters only
	@.ci/stages e2e

.PHONY: figures
figures: ## Measure again what docs/FIGURES.md tells
	@e2e/programs.sh >/dev/null
	@cargo run --quiet --locked -p breakglass-e2e --bin figures
