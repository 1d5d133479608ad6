# `make install` once; then `make run`, `make check`, `make test`.

.PHONY: install run check test test-slow bench

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

bench:
	embedlab bench
