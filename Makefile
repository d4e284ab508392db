# The commands of this project. `make` alone lists them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.lenity-stamp
OLDEST := .venv-trl-oldest
HH     := runs/hh_small
JUDGE_PORT ?= 8791
STUDY  := runs/toy/study
FEW    := configs/sweep_study_toy_few.yaml --jobs 2
HH_MODELS := $(HH)/sft/model.safetensors $(foreach r,harmless helpful humor,$(HH)/reward_$(r)/model.safetensors)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-trl-oldest check format bench bench-growth bench-rules equivalence fuzz compare front docs docs-picture docs-screenshots hh study study-worlds study-toy study-page study-hh clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## create .venv and install Lenity in it; does nothing when up to date

$(STAMP): pyproject.toml constraints/cpu.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'torch==2.13.0' -c constraints/cpu.txt
	$(BIN)/python -m pip install --quiet -c constraints/cpu.txt -e '.[dev]'
	touch $@

demo: setup ## align a tiny model in a toy world with both rules; table and report.html
	$(BIN)/lenity demo

test: setup ## all tests
	$(BIN)/python -m pytest

test-trl-oldest: $(OLDEST)/.lenity-stamp ## the tests of lenity.integrations with the oldest TRL it supports, in an environment of its own
	$(OLDEST)/bin/python -m pytest tests/integrations

$(OLDEST)/.lenity-stamp: pyproject.toml constraints/cpu.txt
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	grep -v '^trl==' constraints/cpu.txt > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet 'torch==2.13.0' -c $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet -c $(OLDEST)/constraints.txt 'trl==1.8.0' -e . pytest hypothesis beartype \
	  requests  # which that TRL imports without saying so
	touch $@

check: setup ## format, lint, types, security, doctests, generated docs are current
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive src
	$(BIN)/python -m pytest --quiet --doctest-modules src/lenity
	$(BIN)/python scripts/generate_docs.py --check
	$(BIN)/python scripts/audit.py

format: setup ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## Lenity beside TRL on one workload, in environments it makes itself (two hours; nothing else may run; options in BENCH)
	$(BIN)/python benchmarks/speed/run.py $(BENCH)

bench-growth: setup ## how time and memory grow with objectives, length, batch, size and points of a front (about half an hour; nothing else may run)
	$(BIN)/python benchmarks/speed/growth.py $(BENCH)
	$(BIN)/python benchmarks/speed/head_memory.py
	$(BIN)/python -m lenity.toy.world --output runs/toy/world
	$(BIN)/python benchmarks/speed/front.py

bench-gpu: setup ## rollout and update on one accelerator at 100M and 8B, TRL's GRPOTrainer beside it
	$(BIN)/python benchmarks/gpu/run.py --size 100M $(BENCH)
	$(BIN)/python benchmarks/gpu/run.py --size 8B $(BENCH)

bench-rules: setup ## time the rules against batch size and number of objectives
	$(BIN)/python benchmarks/rules.py

equivalence: setup ## every method with one process and with several on the CPU, docs/results/scale.md (a few minutes)
	$(BIN)/python benchmarks/equivalence.py --markdown docs/results/scale.md

fuzz: setup ## 100,000 hostile inputs for each reader of files and answers, docs/results/fuzz.md (about 30 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/fuzz.py

docs: setup ## regenerate what is written by program: README rooms, docs/files.md, docs/configuration.md, docs/methods.md
	$(BIN)/python scripts/generate_docs.py

docs-picture: setup ## redraw the README's picture, docs/front.svg, from runs/demo
	$(BIN)/python scripts/generate_picture.py runs/demo

$(HH)/sft/model.safetensors: | setup
	$(BIN)/lenity sft configs/hh_small_sft.yaml

$(HH)/reward_%/model.safetensors: | setup $(HH)/sft/model.safetensors
	$(BIN)/lenity reward configs/hh_small_reward_$*.yaml

runs/toy/world/world.json: | setup
	$(BIN)/python -m lenity.toy.world --output runs/toy/world

compare: setup runs/toy/world/world.json ## every method on the toy world at equal tokens, docs/results/toy_methods.md (about 20 minutes, resumable)
	$(BIN)/lenity sweep configs/sweep_toy_methods.yaml --output runs/toy/methods --jobs 2
	$(BIN)/lenity report runs/toy/methods --no-samples --markdown docs/results/toy_methods.md

front: setup runs/toy/world/world.json ## fronts of five methods on the toy world, judged and reported, docs/results/toy_fronts.md (about 25 minutes, resumable)
	for k in 2 3; do \
	  $(BIN)/lenity sweep configs/sweep_toy_front$$k.yaml --output runs/toy/front$$k --jobs 2 && \
	  $(BIN)/python -m lenity.toy.known_front runs/toy/front$$k || exit 1; done
	$(BIN)/python -m lenity.toy.judge --port $(JUDGE_PORT) & judge=$$!; trap "kill $$judge" EXIT; \
	for k in 2 3; do \
	  $(BIN)/lenity judge runs/toy/front$$k --endpoint http://127.0.0.1:$(JUDGE_PORT)/v1 --model toy --limit 90 || exit 1; done
	$(BIN)/lenity report runs/toy/front2 --markdown docs/results/toy_fronts.md
	$(BIN)/lenity report runs/toy/front3 --markdown docs/results/toy_fronts_three.md

docs-screenshots: setup ## pictures of the reports that `make front` left, docs/report*.png; needs Chromium
	$(BIN)/python scripts/take_screenshots.py runs/toy/front2/report.html docs/report2 metrics
	$(BIN)/python scripts/take_screenshots.py runs/toy/front3/report.html docs/report3 fronts

hh: setup $(HH_MODELS) ## the real run on conversations: models, sweep, docs/results/hh_small.md (about 2 hours, resumable)
	$(BIN)/lenity sweep configs/hh_small.yaml --methods plc,linear --points corners,centre --output $(HH)/sweep --jobs 2
	$(BIN)/lenity report $(HH)/sweep --no-samples --markdown docs/results/hh_small.md

study: study-worlds study-toy study-page ## leniency in exact worlds and on the toy world, docs/results/leniency.md (about 90 minutes, resumable)

study-worlds: setup
	$(BIN)/python -m studies.leniency worlds

study-toy: setup runs/toy/world/world.json
	$(BIN)/lenity sweep configs/sweep_study_toy.yaml --output $(STUDY)/settings --jobs 2
	for mode in scale_only none; do \
	  $(BIN)/lenity sweep $(FEW) --ppo.normalise $$mode --output $(STUDY)/normalise_$$mode || exit 1; done
	for share in 10 20 40; do \
	  $(BIN)/lenity sweep $(FEW) --reward_noise.fraction 0.$$share --output $(STUDY)/noise_$$share || exit 1; done

study-page: setup
	$(BIN)/python -m studies.leniency page

study-hh: setup $(HH_MODELS) ## leniency on conversations, three seeds, docs/results/leniency_hh.md (about 90 minutes, resumable)
	$(BIN)/lenity sweep configs/sweep_study_hh.yaml --output $(HH)/study --jobs 2
	$(BIN)/lenity report $(HH)/study --no-samples --markdown docs/results/leniency_hh.md

clean: ## remove caches and the virtual environment; runs/ stays
	rm -rf $(VENV) $(OLDEST) .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist
