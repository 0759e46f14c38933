# The verbs, the same here and in continuous integration. Each calls one readable script.
.PHONY: help demo test check bench docs fuzz release clean
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Folder with the OCI schemas (image-spec, runtime-spec) that tests validate against.
WHERRY_SCHEMAS ?= $(wildcard ../shared/schemas)
ifneq ($(WHERRY_SCHEMAS),)
export WHERRY_SCHEMAS := $(abspath $(WHERRY_SCHEMAS))
endif
# What pytest gets besides: make test PYTEST="-k pull"
PYTEST ?=

help:                ## list the verbs
	@grep -hE '^[a-z]+: .*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/: +## /\t/' | expand -t 12

demo:                ## make a Debian image, pull it, and do astronomy in it as an ordinary user
	@scripts/setup-debian demo && scripts/as-user demo/run

test:                ## check, then all tests, as an unprivileged user (root: installs what is missing)
	@scripts/setup-debian test && scripts/with-docker scripts/as-user scripts/test $(PYTEST)

check:               ## format, lint, types, layers, C warnings
	@scripts/setup-debian check && scripts/as-user scripts/check

bench:               ## measure side by side with the peers; writes bench/results.md
	@scripts/setup-debian bench && bench/run

docs:                ## run what the documentation shows
	@scripts/setup-debian test && scripts/as-user scripts/test tests/docs

fuzz:                ## fuzz the C programs, FUZZ_SECONDS each
	@scripts/setup-debian fuzz && scripts/as-user scripts/fuzz

release:             ## wheels for x86-64 and aarch64, and the source, in dist/
	@scripts/setup-debian release && scripts/release

clean:               ## remove what was built in the tree
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
