"""YAML files that people write: safe reading, and the base of the models that check them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field

from embedlab.errors import EmbedLabError

T = TypeVar("T")

#: A YAML list as a tuple; its entries are checked as strictly as everything else.
ListOf = Annotated[tuple[T, ...], Field(strict=False)]


class YamlModel(BaseModel):
    """Keys of a YAML file: unknown ones are errors, and so is ``yes`` or ``"5"`` for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def read_yaml(path: Path, expected: str) -> Any:
    """The content of a YAML file, or an empty mapping; check it with ``validated``.

    ``expected`` is what the file should be, for the message: "a spaces_config.yaml".

    Raises:
        EmbedLabError: the file cannot be read or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise EmbedLabError(
            f"The file {path.name[:80]!r} cannot be read; give the path of {expected}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EmbedLabError(f"{path.name} is not valid YAML: {error}") from error
