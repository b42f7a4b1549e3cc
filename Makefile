# The verbs are the same on a laptop and in CI. Everything runs in the project's own environment:
# PYTHON makes it, VENV is where it stands.
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo-out
PART ?= all
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo deploy test test-fast test-matrix test-mediapipe test-runtimes test-camera lint format bench bench-peers bench-networks bench-compare bench-camera bench-web soak wheel clean bench-quantisers board-cuts bench-shadow bench-text board-up board-test board-down bench-search bench-stream bench-headshots

help: ## Show this help
	@echo "make VERB [PYTHON=python3] [VENV=.venv]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Create the environment and install edgecnn with all extras in it

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "make: TensorFlow needs Python 3.10 to 3.13; $(PYTHON) is not one: set PYTHON=python3.11, say" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) has no venv module: sudo apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e '.[dev,demo]'
	@touch $@

demo: install ## Train, convert, enrol and recognise on built-in pictures (OUT=demo-out)
	$(BIN)/edgecnn demo --out $(OUT)

deploy: install ## Run BUNDLE on a board (BOARD=raspberry-pi-5 HOST=pi@192.168.1.20 BUNDLE=my-bundle)
	@test -n "$(HOST)" || { echo "make: say where: make deploy BOARD=raspberry-pi-5 HOST=pi@192.168.1.20" >&2; exit 2; }
	$(BIN)/edgecnn deploy $(or $(BUNDLE),edgecnn/assets) $(HOST) $(if $(BOARD),--board $(BOARD)) $(ARGS)

test: install ## Run all tests (ARGS="-k gallery" narrows them)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-fast: install ## Run the tests that take seconds
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow' $(ARGS)

test-matrix: ## Run tests on every Python found here (PART=board, workstation or all)
	$(PYTHON) tests/matrix.py $(PART) $(ARGS)

test-mediapipe: install ## Load our models in MediaPipe Tasks, which gets an environment of its own
	@test -x .venv-mediapipe/bin/python || $(PYTHON) -m venv .venv-mediapipe
	.venv-mediapipe/bin/python -m pip install --quiet 'mediapipe>=1.2'
	MEDIAPIPE_PYTHON=$(CURDIR)/.venv-mediapipe/bin/python \
	  $(BIN)/python -m pytest tests/test_converters_mediapipe.py $(ARGS)

test-runtimes: install ## Run our models on old run times too (MODEL=m.tflite: where their answers part)
	$(BIN)/python tests/runtimes.py $(MODEL)

test-camera: install ## Run the camera's tests beside a /dev/video0, in a virtual machine (x86-64)
	tests/v4l2_machine.sh $(abspath $(BIN))/python -m pytest -p no:cacheprovider --color=no \
	  tests/test_camera_v4l2.py tests/test_camera_contract.py -k 'v4l2 or device' $(ARGS)

lint: install ## Check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## Format the code and sort the imports
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

bench: install ## Measure the shipped models on this machine
	$(BIN)/edgecnn bench

bench-peers: install ## Measure ours beside its peers, into docs/benchmarks.md (LFW=1: accuracy too)
	$(BIN)/python tests/bench_peers.py $(if $(LFW),--lfw)

bench-text: install ## Measure texts on rt-polarity, into docs/text.md (half an hour)
	$(BIN)/python tests/bench_text.py

bench-networks: install ## Measure int8 beside float for each network, into docs/benchmarks-networks.md
	$(BIN)/python tests/bench_networks.py

bench-compare: install ## Compare convolutional and dense networks on digits, into docs/networks.md
	$(BIN)/python tests/bench_compare.py

bench-search: install ## Measure predicted latencies and a search on digits, into docs/search.md
	$(BIN)/python tests/bench_search.py
bench-stream: install ## Train on up to a million pictures in bounded memory, into docs/streaming.md
	$(BIN)/python tests/bench_stream.py $(ARGS)

bench-headshots: install ## Teach from headshots, ask about whole pictures, into docs/headshots.md
	$(BIN)/python tests/bench_headshots.py $(ARGS)

bench-camera: install ## Measure the camera loop and its motion measure, into docs/benchmarks-camera.md
	$(BIN)/python tests/bench_camera_loop.py

soak: install ## Run the camera app for very long and look for leaks (FRAMES=100000, SOURCE=evening.mp4)
	$(BIN)/python tests/soak.py --frames $(or $(FRAMES),100000) $(if $(SOURCE),--source $(SOURCE))

bench-shadow: install ## Measure what a second model beside the camera costs (docs/shadow.md)
	$(BIN)/python tests/bench_shadow.py

board-up: ## Boot a virtual arm64 board, which is built the first time (PORT=2222; takes root)
	tests/board/board.sh up
	@echo "ssh -i $(or $(BOARD_DIR),.board)/id -p $(or $(PORT),2222) pi@127.0.0.1"

board-test: install ## Deploy to a virtual arm64 board and go through a board's life on it
	$(BIN)/python -m pytest -x -s -p no:cacheprovider tests/board $(ARGS)

board-down: ## Turn the virtual board off and forget what was done on it
	tests/board/board.sh down

board-cuts: install ## Cut the power of the emulated board in deploys, up to CUTS=100, into docs/power-cuts.json
	test -e $(or $(BOARD_DIR),.board)/disk.img || tests/board/board.sh build
	tests/board/board.sh up
	$(BIN)/python tests/board/power_cuts.py --cuts $(or $(CUTS),100) --out docs/power-cuts.json; \
	  code=$$?; tests/board/board.sh down; exit $$code

bench-web: install ## Measure what 200 viewers of the page cost recognition
	$(BIN)/python tests/bench_web.py

bench-quantisers: install ## Measure what makes int8 of float, into docs/quantisers.md (RUNS="run other-run")
	$(BIN)/python tests/bench_quantisers.py $(RUNS)

wheel: install ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

clean: ## Remove what the other verbs wrote, except for the environment in VENV
	rm -rf build dist $(OUT) .venv-matrix .venv-peers .venv-mediapipe .venv-runtimes .v4l2-machine .board .pytest_cache .mypy_cache .ruff_cache
	find edgecnn converters devices tests -name __pycache__ -type d -prune -exec rm -rf {} +
