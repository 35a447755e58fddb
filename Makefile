# SPDX-License-Identifier: Apache-2.0
# A thin front for meson and for the scripts in tools/; `make help` lists the targets.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := all

# SANITIZE=1 builds with ASan and UBSan, in a folder of its own.
BUILD ?= $(if $(SANITIZE),build-asan,build)
IMAGE ?= $(BUILD)/image
PREFIX ?= /usr/local

# An ordinary user's PATH has not the programs for file systems and for AppArmor.
export PATH := $(PATH):/usr/sbin:/sbin

# Every date in the image is the last commit's.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH BUILD IMAGE

meson_options = --prefix $(PREFIX) $(if $(SANITIZE),-Dsanitize=true)
# Without an image there is nothing for the VM tests to boot: the sanitizer build runs the rest.
suites = $(if $(SUITE),$(SUITE),$(if $(SANITIZE),unit,))

# What is measured is built before, but an image that IMAGE names (make bench IMAGE=build/release) is taken as it is.
measured := $(if $(filter file,$(origin IMAGE)),iso,programs)

##@ Build
all: ## build the programs
	@tools/bootstrap --check
	@$(MAKE) programs

programs: $(BUILD)/build.ninja
	@meson compile -C $(BUILD) programs

$(BUILD)/build.ninja:
	@meson setup $(meson_options) $(BUILD)

iso: bootstrap ## build the image: kernel, initrd and boot2docker.iso in build/image
	@$(MAKE) programs
	@tools/build-image

install: ## install the programs below PREFIX (DESTDIR is honoured)
	@tools/bootstrap --check
	@$(MAKE) programs
	@meson install -C $(BUILD) --no-rebuild

clean: ## remove what the build made (downloads in the cache stay)
	rm -rf build build-asan build-fuzz

##@ Use
run: iso ## a container running in a machine of our own, from nothing
	@tools/run

##@ Check
test: bootstrap-test ## run the tests (SUITE=unit,image,machine,vm,media,virtualbox,long,slow; SANITIZE=1)
	@$(MAKE) $(if $(SANITIZE),programs,iso)
	@tools/test $(suites)

lint: bootstrap-test ## format, static checks, include directions, lengths, scripts
	@$(MAKE) programs
	@tools/lint

bench: bootstrap-bench ## measure against a stock Debian machine, write build/bench (under 40 minutes)
	@$(MAKE) $(measured)
	@bench/run

bench-quick: ## sizes, counts, the commands' times, starts and machines of ours alone: a few minutes
	@$(MAKE) $(measured)
	@bench/run quick

##@ Publish
release: ## build the release: kernel and engine made for it, smallest image, checksums, package lists (half an hour)
	@tools/bootstrap kernel engine
	@$(MAKE) programs
	@tools/release

bootstrap:
	@tools/bootstrap

bootstrap-test:
	@tools/bootstrap test

bootstrap-bench:
	@tools/bootstrap bench

help: ## list the targets
	@awk -F ':.*## ' '/^##@/ { print "\n" substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

.PHONY: all programs iso install clean run test lint bench bench-quick release bootstrap bootstrap-test bootstrap-bench help
