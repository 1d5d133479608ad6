"""What one run is: the content of ``manifest.json``, by which the same command goes on with it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from embedlab.errors import EmbedLabError
from embedlab.stream.texts import Columns
from embedlab.text import shorten

FORMAT = 1
#: Texts of a part.
PART_TEXTS = 4_000
#: Texts that steps are fitted on.
FIT_TEXTS = 2_000


class Order(BaseModel, extra="forbid", frozen=True):
    """What is asked for; two runs with equal orders give the same rows.

    Attributes:
        inputs: as they were written.
        sources: the names of the files and splits that these were when the run began.
        text_column, id_column, id_required: see :class:`~embedlab.stream.texts.Columns`.
        designs: as they were written, in the order of the output's columns.
        backbone, base: as :func:`embedlab.load_backbone` takes them.
        dtype: of the pass.
        numbers: of the vectors in the output.
        with_text: whether the texts are written beside their vectors.
        fit_texts: how many texts the steps are fitted on.
    """

    inputs: tuple[str, ...]
    sources: tuple[str, ...]
    text_column: str
    id_column: str
    id_required: bool = False
    encoding: str = ""
    designs: tuple[str, ...]
    backbone: str
    base: str = ""
    dtype: Literal["float32", "bfloat16"]
    query: bool = False
    numbers: Literal["float32", "float16"] = "float32"
    with_text: bool = False
    part_texts: int = PART_TEXTS
    fit_texts: int = FIT_TEXTS

    @property
    def columns(self) -> Columns:
        """What is read of every source."""
        return Columns(
            text=self.text_column,
            id=self.id_column,
            id_named=self.id_required,
            encoding=self.encoding,
        )

    def check_same(self, other: Order, folder: str) -> None:
        """Refuse to go on with another run's folder.

        Raises:
            EmbedLabError: the sentence names the first difference.
        """
        if set(self.sources) - set(other.sources):
            new = sorted(set(self.sources) - set(other.sources))
            raise EmbedLabError(
                f"{len(new):,} of the inputs, such as {new[0][-60:]!r}, "
                f"{'was' if len(new) == 1 else 'were'} not there when the run in {folder!r} "
                "began; embed them into another folder."
            )
        for name in type(self).model_fields:
            now, before = getattr(self, name), getattr(other, name)
            if now != before:
                raise EmbedLabError(
                    f"{folder!r} holds another run, with {name.replace('_', ' ')} "
                    f"{_value(before)} and not {_value(now)}. Give the same command to go on with "
                    "it, or choose another folder."
                )


def _value(value: object) -> str:
    words = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return repr(shorten(words, 80))


class Manifest(BaseModel, extra="forbid", frozen=True):
    """The content of ``manifest.json``.

    Attributes:
        weights: identifies the backbone's weights and trained heads, on any device.
        widths: the length of each design's vectors.
        fitted_on: says which texts the steps were fitted on; "" where none had to be.
        columns: the names of the output's columns of vectors, the designs written in full.
    """

    format: int = FORMAT
    version: str
    order: Order
    weights: str = ""
    backbone_name: str = ""
    columns: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()
    fitted_on: str = ""
