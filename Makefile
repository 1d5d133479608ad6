# `make install` once; then `make run`, `make check`, `make test`.

.PHONY: install run check test test-slow reach bench

install:
	pip install -e ".[dev]"
	pre-commit install

run:
	python app.py

check:
	ruff check
	ruff format --check
	mypy

test:
	python -m pytest

test-slow:
	python -m pytest -m slow

# What short trainings reach on STS-B, about half an hour on two cores.
reach:
	python -m pytest -m slow -s tests/test_training_real.py

bench:
	embedlab bench
