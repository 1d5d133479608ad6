# `make install` once; then `make run`, `make check`, `make test`.

.PHONY: install run check test test-slow reach fuzz load kills presets bench

install:
	pip install -e ".[dev]"
	pre-commit install

run:
	python app.py

check:
	ruff check
	ruff format --check
	mypy
	python -m pytest -q tests/unit/ui/test_scripts.py

test:
	python -m pytest

test-slow:
	python -m pytest -m slow

# What short trainings reach on STS-B, about half an hour on two cores.
reach:
	python -m pytest -m slow -s tests/test_training_real.py

# Twenty times as many hostile files and requests as the tests send, other ones each time.
fuzz:
	EMBEDLAB_FUZZ=20 python -m pytest -s tests/test_fuzz_readers.py tests/test_fuzz_endpoints.py

# Twenty users for ten minutes, against a sequential reference.
load:
	python -m pytest -m slow -s tests/test_load.py

# Fifty kills at random moments of conversions, trainings and a study.
kills:
	python -m pytest -m slow -s tests/test_kills.py -k "not preset"

# The studies `minutes` and `workshop`: timed, and killed once, about an hour and a half.
presets:
	python -m pytest -m slow -s tests/test_kills.py -k preset

bench:
	embedlab bench
