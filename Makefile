# Two commands do everything: `make demo` and `make test`. Each sets the machine up first; the second time that takes a second.
VENV := .venv/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
NATIVE := testbed/links/wire traffic/stamper

.PHONY: demo test test-vm unit lint setup native lock clean

demo: setup  ## run the local-breakout experiment on this machine
	$(SUDO) $(VENV)/bearerlab run scenarios/local-breakout.yml

test: unit lint  ## everything that can be tested here
	$(SUDO) $(VENV)/pytest --ignore tests/unit

test-vm: setup  ## what needs modules that this kernel lacks (netem, openvswitch, vrf): in guests
	$(SUDO) setup/test-vm.sh

unit: setup  ## pure logic only: no root, no network
	$(VENV)/pytest -q -n auto tests/unit

lint: setup
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/lint-imports
	$(VENV)/mypy

setup:
	@setup/setup.sh

native: $(NATIVE)

testbed/links/wire: $(wildcard testbed/links/wire_src/*.[ch])
traffic/stamper: traffic/stamper.c
$(NATIVE):
	$(CC) -O2 -g -Wall -Wextra -Werror -std=gnu11 -o $@ $(filter %.c,$^) -lm

lock:  ## resolve pyproject.toml again
	python3 -m venv build/lock && build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	    --custom-compile-command "make lock" --group pyproject.toml:dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv build $(NATIVE)
