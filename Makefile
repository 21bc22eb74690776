# `make setup` once, `make check` while working, `make test` before handing on. CONTRIBUTING.md says more.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Most tests wait for an engine most of the time.
export RUST_TEST_THREADS ?= 3
export HOLDFAST_CACHE ?= $(HOME)/.cache/holdfast
export PATH := $(HOLDFAST_CACHE)/bin:$(PATH):/usr/local/go/bin:$(HOME)/.cargo/bin:/usr/sbin:/sbin

SCRIPTS := .ci/run fuzz/run.sh $(shell find tests modules hosts -name '*.sh' 2>/dev/null)
NIX_FILES := flake.nix $(shell find modules hosts nix templates tests -name '*.nix' 2>/dev/null)
# Tests that need neither an engine nor root nor the network.
PURE := layering:: docs:: nix::

.PHONY: help setup check test test-nix fmt docs bench fuzz demo demo-ci demo-down lint

help: ## This list.
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## Installs what building and testing need (Debian); elsewhere lists what is missing.
	@tests/setup.sh

check: lint ## The inner loop: format, lints, the code's documentation, pure tests.
	cargo test -q --lib
	cargo test -q --test it -- $(PURE)

lint:
	cargo fmt --check
	cargo clippy -q --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc -q --no-deps --document-private-items
	cargo deny --offline --log-level error check bans licenses sources
	cargo machete --with-metadata >target/machete.log 2>&1 || { cat target/machete.log; exit 1; }
	typos
	RUST_LOG=warn taplo fmt --check
	shellcheck --severity=warning $(SCRIPTS)
	nixfmt --check $(NIX_FILES)
	deadnix --fail $(NIX_FILES)
	nix-instantiate --parse $(NIX_FILES) >/dev/null

test: setup check ## Everything: check, every test, a clean work tree.
	tests/tree.sh before
	tests/suite.sh
	tests/tree.sh after

test-nix: ## The flake and the modules alone; on the lib of nixpkgs too where NIXPKGS_LIB names one.
	cargo test --test it -- nix:: --nocapture

fmt: ## Formats everything.
	cargo fmt
	RUST_LOG=warn taplo fmt
	nixfmt $(NIX_FILES)

docs: ## Writes the generated reference pages again.
	rm -rf target/golden
	cargo test -q --test it -- docs schema nix::options >/dev/null 2>&1 || true
	[ ! -d target/golden/docs ] || cp -rv target/golden/docs/. docs/
	cargo test -q --test it -- docs schema nix::options

bench: setup ## Measures no-op runs and start-up on a private engine; writes docs/reference/benchmarks.md.
	tests/bench/run.sh

fuzz: ## Runs the fuzz targets, FUZZ_SECONDS (60) each.
	for target in loader interpolate yaml json dotenv ini metadata shares token payload; do fuzz/run.sh $$target $(or $(FUZZ_SECONDS),60); done

demo: ## From nothing to a proven HTTPS service on an engine of its own.
	@tests/setup.sh demo
	@tests/demo/up.sh

demo-ci: ## The same with Gitea, Drone, a runner and the bridge: a pull request is tested and answered.
	@tests/setup.sh demo-ci
	@tests/demo/ci.sh

demo-down: ## Ends what `make demo` started.
	@tests/demo/down.sh
