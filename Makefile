# `make install` once; then `make run`, `make check`, `make quick`.

.PHONY: install run check quick test pretended-gpu oldest test-slow reach fuzz load kills presets wheel bench

install:
	pip install -e ".[dev]"
	pre-commit install

run:
	python app.py

check:
	ruff check
	ruff format --check
	mypy
	lint-imports
	deptry embedlab
	python -m pytest -n 0 -q tests/unit/ui/test_scripts.py  # the JavaScript, by oxlint

# The unit tests on two workers, within three minutes on two cores.
quick:
	python -m pytest tests/unit

test:
	python -m pytest

# The unit tests of models and trainings a second time, where there seems to be a GPU.
pretended-gpu:
	python -m pytest --pretended-gpu tests/unit/models tests/unit/training

# With the oldest versions that pyproject.toml allows, in an environment of its own.
oldest:
	.ci/oldest

test-slow:
	python -m pytest -n 0 -m slow

# What short trainings reach on STS-B, about half an hour on two cores.
reach:
	python -m pytest -n 0 -m slow -s tests/real/test_training.py

# Twenty times as many hostile files and requests as the tests send, other ones each time.
fuzz:
	EMBEDLAB_FUZZ=20 python -m pytest -n 0 -s tests/fuzz

# Twenty users for ten minutes, against a sequential reference.
load:
	python -m pytest -n 0 -m slow -s tests/real/test_load.py

# Fifty kills at random moments of conversions, trainings and a study.
kills:
	python -m pytest -n 0 -m slow -s tests/real/test_kills.py -k "not preset"

# The studies `minutes` and `workshop`: timed, and killed once, about an hour and a half.
presets:
	python -m pytest -n 0 -m slow -s tests/real/test_kills.py -k preset

# Build the wheel, install it in an environment without the clone, serve from an empty folder.
wheel:
	python -m pytest -n 0 -m slow tests/real/test_wheel.py

bench:
	embedlab bench
