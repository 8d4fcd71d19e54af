# Each target sets up what it needs: a virtual environment in this folder, nothing global.

PYTHON ?= python3
VENV := .venv
# More than there are cores: many tests wait for processes of their own.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) '*' 3 / 2)
RUN := $(VENV)/bin/python -m experiments
READY := $(VENV)/.ready
DEMO := runs/demo
RECIPES := experiments/configs/recipe

.PHONY: help install demo results test lint clean

help:
	@echo "make install   set up .venv, which the others do by themselves"
	@echo "make demo   train two small networks on synthetic scenes, sweep both, compare (runs/demo/)"
	@echo "make results   fill the pages with what the committed records say, and draw their figures"
	@echo "make test   the whole test suite"
	@echo "make lint   ruff and mypy"
	@echo "make clean  remove the virtual environment and the demo"

install: $(READY)

# Not compiled: Python does that on the first import, of what is imported; it takes half of the time of the installation.
$(READY): requirements.txt requirements-oracle.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-compile -r requirements.txt
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-compile --no-deps -r requirements-oracle.txt
	@touch $@

demo: $(READY)
	$(RUN) fit --config $(RECIPES)/synthetic_unet.yaml --run $(DEMO)/unet --restart
	$(RUN) fit --config $(RECIPES)/synthetic_unet_scse.yaml --run $(DEMO)/unet_scse --restart
	$(RUN) benchmark --checkpoint $(DEMO)/unet/best.ckpt --output $(DEMO)/unet.json --restart
	$(RUN) benchmark --checkpoint $(DEMO)/unet_scse/best.ckpt --output $(DEMO)/unet_scse.json --restart
	$(RUN) leaderboard $(DEMO)/unet.json $(DEMO)/unet_scse.json --output $(DEMO)/leaderboard.md
	$(RUN) compare $(DEMO)/unet.json $(DEMO)/unet_scse.json --output $(DEMO)/comparison.md
	$(RUN) curves $(DEMO)/unet.json $(DEMO)/unet_scse.json --output $(DEMO)/curves.png
	$(RUN) report $(DEMO)/unet.json $(DEMO)/unet_scse.json --output $(DEMO)/report.html
	@echo
	@echo "Open $(DEMO)/report.html; $(DEMO)/comparison.md says whether the two differ. The records are $(DEMO)/unet.json and"
	@echo "$(DEMO)/unet_scse.json, the curves $(DEMO)/curves.png, the table $(DEMO)/leaderboard.md."

RESULTS := experiments/results

results: $(READY)
	$(RUN) fill README.md docs/*.md
	$(RUN) curves $(RESULTS)/camvid/imagenet_c/*.json --output $(RESULTS)/camvid/curves.png
	$(RUN) tradeoff $(RESULTS)/kvasir_seg/imagenet_c/dense_[0-2].json $(RESULTS)/kvasir_seg/imagenet_c/tuned_[0-2].json \
		$(RESULTS)/kvasir_seg/imagenet_c/half_[0-2].json $(RESULTS)/kvasir_seg/imagenet_c/half_longer_[0-2].json \
		$(RESULTS)/kvasir_seg/imagenet_c/quarter_[0-2].json --costs $(RESULTS)/kvasir_seg/costs_pruning_and_ensembles.json \
		--seeds-together --figure $(RESULTS)/kvasir_seg/pruning.png
	$(RUN) tradeoff $(RESULTS)/kvasir_seg/imagenet_c/sparse_0*.json --costs $(RESULTS)/kvasir_seg/costs_sparse.json \
		--figure $(RESULTS)/kvasir_seg/sparsity.png

# Processes of one thread each; threads that wait sleep, or those of two processes would starve each other.
test: $(READY)
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(VENV)/bin/python -m pytest \
		--numprocesses $(WORKERS) --dist worksteal

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) $(DEMO)
