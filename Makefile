# make demo   install into .venv, upgrade a virtual kit, show what was proven
# make test   style, types, and the tests that a change should pass before it is committed
# make proofs the tests that take long: scenarios on every release and on real firmware, sabotages
# make campaign N=10000   random upgrades on the virtual kit, each verdict held against what really ran
# make bench  what things cost: start-up, uploads beside smpclient's, farms, reports, execution;
#             KITS=1,2,4,8,16 for all scenarios on so many virtual kits at real speed, three hours
# make pictures   what README and manual show: pictures of real pages, a recorded terminal
# make tox    the suite on every Python that is installed, 3.10 to 3.13
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Tests start Python hundreds of times; without its cache each compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE
# They wait for processes of theirs half of the time.
export PYTEST_XDIST_AUTO_NUM_WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * os.cpu_count() + 1)')

RUNS ?= 10

.PHONY: demo test proofs campaign bench pictures lint tox clean

# How many cases, and what they are drawn with.
N ?= 300
SEED ?= 1
# On how many virtual kits at the speed of real ones, and which scenarios, as pytest's -k.
KITS ?= 8,16
SELECT ?=

demo: $(INSTALLED)
	$(BIN)/pytest --board nrf5340dk_sim tests/hil/test_mcuboot_upgrade.py -v \
	  -k "s0_to_s1 or second_reset or both_variants or same_fw or tampered or then_app"

test: lint
	$(BIN)/pytest --board nrf5340dk_sim -n auto --dist worksteal -m "not long_proof" tests

proofs: $(INSTALLED)
	$(BIN)/pytest --board nrf5340dk_sim -n auto --dist worksteal -m long_proof tests

campaign: $(INSTALLED)
	$(BIN)/nrf-fota campaign run --count $(N) --seed $(SEED) --output nrf_fota_runs/campaign

bench: $(INSTALLED)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/upload_speed.py --runs $(RUNS)
	$(BIN)/python benchmarks/file_upload_speed.py --runs $(RUNS)
	$(BIN)/python benchmarks/farm_costs.py
	$(BIN)/python benchmarks/simulated_night.py
	$(BIN)/python benchmarks/farm_scaling.py --kits $(KITS) --select "$(SELECT)"
	$(BIN)/python benchmarks/timeline_rate.py
	$(BIN)/python -m benchmarks.report_month
	$(BIN)/python -m benchmarks.executing

pictures: $(INSTALLED)
	$(BIN)/python -m docs.pictures.make

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

tox: $(INSTALLED)
	$(BIN)/tox run $(TOX_ARGS)

clean:
	rm -rf $(VENV) .tox dist .pytest_cache .mypy_cache .ruff_cache nrf_fota_runs

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.10 to 3.13 is needed, $(PYTHON) is another: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --group dev --editable .
	@touch $@
