# Every target does its own set-up (packages into .venv/, products into build/); nothing else on the machine changes.
# `make` alone lists the targets; the text after "##" is what it prints.

ifndef PYTHON
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
endif
BOOTSTRAP = command -v $(PYTHON) >/dev/null || \
	{ echo "set-up: Python 3.10 or newer is needed (Debian, Ubuntu: apt install python3 python3-venv)" >&2; exit 1; }; \
	$(PYTHON) tools/bootstrap.py
SECONDS ?= 60
SOAK_SECONDS ?= 600
SEED ?= 1
FILE ?= box.tar
PYTEST = .venv/bin/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo test test-rp2040 lint boards image flash deploy repl backup restore test-board size soak bench-bus bench-log bench-uplink setup setup-boards setup-test setup-emulated lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo "Options: PYTHON=program to set up with another Python, MICROPYTHON=program to bring the runtime along"

demo: setup ## run plant, broker, firmware and monitor with an outage, then judge the result (SECONDS=60)
	@.venv/bin/fieldgate demo --seconds $(SECONDS)

test: setup-test ## run all checks and tests on CPython and MicroPython (T=path or pytest options narrow it)
	@$(PYTEST) $(T)

lint: setup-test ## style and type checks only
	@.venv/bin/ruff check . && .venv/bin/mypy

boards: setup ## compile the device files of every board into build/boards/
	@.venv/bin/fieldgate build

image: setup-boards ## build what a factory writes: BOARD=name FIRMWARE=downloaded image (CONFIG=folder, UNPINNED=1)
	@.venv/bin/fieldgate image "$(BOARD)" $(if $(FIRMWARE),--firmware "$(FIRMWARE)") $(if $(CONFIG),--config "$(CONFIG)") \
		$(if $(UNPINNED),--unpinned --any-version)

flash: setup-boards ## write the image onto a board and wait for its first line: BOARD=name PORT=port (DRIVE=, ERASE=1)
	@.venv/bin/fieldgate flash "$(BOARD)" $(if $(PORT),--port "$(PORT)") $(if $(DRIVE),--drive "$(DRIVE)") \
		$(if $(ERASE),--erase)

deploy: setup-boards ## update the code on a box, changed files only: BOARD=name PORT=port
	@.venv/bin/fieldgate deploy "$(BOARD)" $(if $(PORT),--port "$(PORT)")

repl: setup-boards ## talk to a box: PORT=port
	@.venv/bin/fieldgate repl $(if $(PORT),--port "$(PORT)")

backup: setup-boards ## save the configuration of a box: PORT=port FILE=box.tar
	@.venv/bin/fieldgate backup $(if $(PORT),--port "$(PORT)") "$(FILE)"

restore: setup-boards ## write such a file onto a box: PORT=port FILE=box.tar
	@.venv/bin/fieldgate restore $(if $(PORT),--port "$(PORT)") "$(FILE)"

test-board: setup-test ## test a real board beside a USB-RS485 adapter: BOARD=name PORT=port ADAPTER=port
	@BOARD="$(BOARD)" PORT="$(PORT)" ADAPTER="$(ADAPTER)" $(PYTEST) -n 0 host_tests/hardware $(T)

size: setup ## print the .mpy bytes of every device module beside its budget
	@.venv/bin/fieldgate size

soak: setup-test ## run the long random tests of every part (SOAK_SECONDS=600 for each, SEED=1)
	@status=0; for program in $(wildcard host_tests/soak/*.py); do \
		echo "$$program --seconds $(SOAK_SECONDS) --seed $(SEED)"; \
		PYTHONPATH=host_tests/fakes:lib:firmware:build/device .venv/bin/python $$program \
			--seconds $(SOAK_SECONDS) --seed $(SEED) || status=1; \
	done; exit $$status

test-rp2040: setup-emulated ## run the tests on emulated RP2040 firmware (UF2=folder with the images)
	@$(PYTEST) host_tests/emulated --uf2 "$(UF2)" $(T)

bench-bus: $(if $(UF2),setup-emulated,setup) ## bus engine beside micropython-modbus on one virtual line (UF2=folder adds emulated RP2040 firmware)
	@PYTHONPATH=tools .venv/bin/python -m fieldgate.bench_bus --uf2 "$(UF2)"

bench-log: setup ## flash log beside LittleFS on the same simulated flash: wear, erases, cost of an append
	@PYTHONPATH=tools .venv/bin/python -m fieldgate.bench_log

bench-uplink: setup ## MQTT session beside umqtt.simple, payload sizes on the reference data
	@PYTHONPATH=tools .venv/bin/python -m fieldgate.bench_uplink

setup: ## install what the demo needs, without running it
	@$(BOOTSTRAP) demo

setup-boards:
	@$(BOOTSTRAP) boards

setup-test:
	@$(BOOTSTRAP) test

setup-emulated:
	@$(BOOTSTRAP) emulated

lock: ## renew the hash-locked package lists after a change of tools/requirements-*.in
	@$(BOOTSTRAP) lock

clean: ## remove everything that make created
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
