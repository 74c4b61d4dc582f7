# What one does with this repository. `make` alone lists it.
SHELL := bash
.DEFAULT_GOAL := help

# nginx and Redis' server are there, and not in everybody's path.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin
# Wiring tests start servers and browsers; more at once than this and two cores only wait for each other.
export RUST_TEST_THREADS ?= 4
# How long each fuzz target runs, in seconds.
FUZZ_SECONDS ?= 60
# Which script of loadtest/ is run.
SCRIPT ?= smoke

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: tools
tools: ## install what the tests need, if it is missing
	@scripts/install-test-tools.sh

.PHONY: lint
lint: ## check the format and the lints
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

.PHONY: test
test: tools lint ## all tests: pages, documentation, units, wiring
	node --test tests/js/*.test.js
	cargo test --doc
	cargo test --lib --bins --test it

.PHONY: test-full
test-full: test fuzz ## the tests at length: fuzzing, many cases of each property, many kills, faults at default timings
	PROPTEST_CASES=4096 cargo test --lib
	PROPTEST_CASES=512 cargo test --test it contract
	FAULT_ROUNDS=25 cargo test --test it faults:: -- --skip cluster_faults
	for seed in 1 2 3; do \
	  FAULT_TIMINGS=default FAULT_SEED=$$seed timeout 30m cargo test --test it cluster_faults || exit 1; \
	done

.PHONY: fuzz
fuzz: ## feed the frame guard and the command decoder anything (no sanitizer: there is no unsafe code)
	@cargo +nightly --version > /dev/null || rustup toolchain install nightly --profile minimal
	@cargo fuzz --version > /dev/null 2>&1 || cargo install cargo-fuzz --locked
	cargo +nightly fuzz run --sanitizer none frame_reader -- -max_total_time=$(FUZZ_SECONDS)
	cargo +nightly fuzz run --sanitizer none command_decoder -- -max_total_time=$(FUZZ_SECONDS)

# What only Chromium can be made to do (another screen, no network, its own figures), or is tested to do: Firefox keeps no
# page with a connection for the back button, and a module that it could not fetch once it asks for only after a reload.
NOT_IN_FIREFOX := admin:: accessibility:: screens:: weight:: every_stop_of_the_keyboard a_network_goes_away \
  a_page_kept_for_the_back_button what_a_page_could_not_fetch

.PHONY: firefox
firefox: tools ## run the browser tests in Firefox
	@command -v firefox firefox-esr > /dev/null || { echo "Please install Firefox (Debian: firefox-esr)." >&2; exit 1; }
	@command -v geckodriver > /dev/null || cargo install geckodriver --locked
	BROWSER=firefox cargo test --test it browser:: -- $(addprefix --skip ,$(NOT_IN_FIREFOX))

.PHONY: build
build: ## build the program for use, in target/release
	cargo build --release --locked

.PHONY: release
release: ## build a static program that runs on any Linux, with its checksum, in target/dist
	scripts/release.sh

.PHONY: docker
docker: ## build the image hubbub:latest
	docker build -t hubbub:latest .

.PHONY: bench
bench: build ## measure idle memory, fan-out, publishing and a cluster against the budgets
	target/release/hubbub bench idle --check
	target/release/hubbub bench fanout --check
	target/release/hubbub bench publish --check
	target/release/hubbub bench cluster --check

.PHONY: big
big: tools build ## measure 30,000 clients through nginx over three replicas (two minutes; nothing else should run)
	ulimit -n 20000 && target/release/hubbub bench big --runs 1 --check

.PHONY: pictures
pictures: tools ## make the pictures of the documentation afresh
	scripts/screenshots.sh

.PHONY: loadtest
loadtest: tools ## run a k6 script of loadtest/ against a release build: SCRIPT=ramp
	scripts/loadtest.sh $(SCRIPT)
