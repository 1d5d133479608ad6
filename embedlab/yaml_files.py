"""YAML files that people write: read, and checked against a dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from embedlab.errors import EmbedLabError

T = TypeVar("T")


def read_yaml(path: Path, wanted: str) -> Any:
    """What a YAML file holds; ``wanted`` says to people which file is asked for.

    Raises:
        EmbedLabError: the file cannot be read or is no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise EmbedLabError(
            f"The file {path.name[:80]!r} cannot be read; give the path of {wanted}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EmbedLabError(f"{path.name} is not valid YAML: {error}") from error


def build(kind: type[T], raw: Any, where: str) -> T:
    """A dataclass out of a mapping; unknown keys and wrong types are errors that name the place."""
    values = mapping(raw, where)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for key, value in values.items():
        if key not in known:
            raise EmbedLabError(f"{where}: unknown key {key!r}; known are {', '.join(known)}.")
        wanted = {"int": int, "str": str, "bool": bool, "float": (int, float)}.get(
            str(known[key].type)
        )
        wrong_bool = isinstance(value, bool) and wanted is not bool
        if wanted is not None and (wrong_bool or not isinstance(value, wanted)):  # type: ignore[arg-type]
            raise EmbedLabError(f"{where}: {key} is {value!r}; it must be {known[key].type}.")
    try:
        return kind(**values)
    except EmbedLabError as error:
        raise EmbedLabError(f"{where}: {error}") from error
    except TypeError as error:
        raise EmbedLabError(f"{where}: {error}.") from error


def mapping(raw: Any, where: str) -> Mapping[str, Any]:
    """``raw`` if it is a mapping, else an error."""
    if not isinstance(raw, Mapping):
        raise EmbedLabError(f"{where} is {raw!r}; it must be a list of 'key: value' lines.")
    return raw


def list_of(raw: Any, where: str) -> list[Any]:
    """``raw`` if it is a list, else an error."""
    if not isinstance(raw, list):
        raise EmbedLabError(f"{where} is {raw!r}; it must be a list.")
    return raw
