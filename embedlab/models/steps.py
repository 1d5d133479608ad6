"""Steps: what is done to a pooled vector afterwards, in the order in which a design names them.

Every step takes vectors of length 1 and its result is normalised again. Some are fitted on texts,
never on queries or labels: their numbers belong to a design *and* to the texts it was fitted on.

    centre     e - μ, μ the mean of the texts' vectors
    whiten     Σ^(-1/2) (e - μ), ZCA, with the covariance shrunk towards a multiple of the identity
    abttN      e - μ without its first N principal directions (all-but-the-top, arXiv 1702.01417)
    filterX    the middle d / X right singular vectors of the unembedding (EmbedFilter, 2606.07502)
    dimN       the first N numbers
    int8       256 levels between the smallest and the largest value of each number
    binary     the sign of each number
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedlab.errors import EmbedLabError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from embedlab.models.backbone import Backbone
    from embedlab.models.pooling import ExportedModule

    Rows = npt.NDArray[np.float32]

#: How far a covariance is pulled towards a multiple of the identity before it is inverted.
SHRINKAGE = 0.1
#: The words of steps: whether each is fitted, and what its number means, if it has one.
STEPS = {
    "centre": (True, ""),
    "whiten": (True, ""),
    "abtt": (True, "directions to remove, 1 to 99"),
    "filter": (False, "d divided by the dimensions kept, above 1 and up to 99"),
    "dim": (False, "dimensions kept, at least 1"),
    "int8": (True, ""),
    "binary": (False, ""),
}
_KNOWN = "+centre, +whiten, +abtt2, +filter1.5, +dim128, +int8 and +binary"
_STEP = re.compile(r"(int8|[a-z]+)(\d{1,6}(?:\.\d{1,6})?)?")


class NotFitted(EmbedLabError):
    """A step cannot be fitted on these texts: too few of them, or all at one place."""


@dataclass(frozen=True)
class Step:
    """One step of a design by its word and its number; ``Step.parse(str(step)) == step``."""

    word: str
    number: float = 0.0

    def __str__(self) -> str:
        return self.word + (f"{self.number:.8g}" if STEPS[self.word][1] else "")

    @classmethod
    def parse(cls, text: str) -> Step:
        """Read ``centre``, ``filter1.5``, ….

        Raises:
            EmbedLabError: there is no such step, or its number is out of range.
        """
        match = _STEP.fullmatch(text)
        if match is None or match[1] not in STEPS:
            raise EmbedLabError(f"'+{text[:40]}' is not a step of a design; known are {_KNOWN}.")
        word, number, meaning = match[1], match[2], STEPS[match[1]][1]
        if not meaning and number is not None:
            raise EmbedLabError(f"'+{text[:40]}': {word} takes no number.")
        value = float(number or 0)
        whole = word == "filter" or value == int(value)
        low, high = {"abtt": (1, 99), "dim": (1, 10**6), "filter": (1.000001, 99)}.get(word, (0, 0))
        if not whole or not low <= value <= high:
            raise EmbedLabError(f"'+{text[:40]}': write the number of {meaning} behind {word}.")
        return cls(word, value)

    @property
    def fitted(self) -> bool:
        """Whether it has to be fitted on texts."""
        return STEPS[self.word][0]

    @property
    def least_texts(self) -> int:
        """How many texts it needs to be fitted on."""
        return int(self.number) + 2 if self.word == "abtt" else 2

    def width(self, before: int) -> int:
        """The dimensions it leaves of ``before``.

        Raises:
            EmbedLabError: it keeps more than there are.
        """
        if self.word == "filter":
            return max(1, int(before / self.number))
        if self.word != "dim":
            return before
        if self.number > before:
            raise EmbedLabError(
                f"+{self} keeps more dimensions than the {before:,} that there are; choose "
                f"1 to {before:,}."
            )
        return int(self.number)


@dataclass(frozen=True, eq=False)
class Linear:
    """x ↦ W (x + b): ``weight`` (k, d) or None for the identity, ``bias`` (d,) or None."""

    weight: Rows | None = None
    bias: Rows | None = None

    def __call__(self, rows: Rows) -> Rows:
        """(n, d) to (n, k)."""
        import numpy as np

        moved = rows if self.bias is None else rows + self.bias
        return np.asarray(moved if self.weight is None else moved @ self.weight.T, np.float32)

    def tensors(self) -> dict[str, Any]:
        """What has to be stored."""
        return {k: v for k, v in (("weight", self.weight), ("bias", self.bias)) if v is not None}


@dataclass(frozen=True, eq=False)
class Levels:
    """256 levels a number: ``low`` (d,) is the lowest, ``step`` (d,) the distance of two."""

    low: Rows
    step: Rows

    def __call__(self, rows: Rows) -> Rows:
        """(n, d) to the nearest levels."""
        import numpy as np

        levels = np.clip(np.rint((rows - self.low) / self.step), 0, 255)
        return np.asarray(levels * self.step + self.low, np.float32)

    def tensors(self) -> dict[str, Any]:
        """What has to be stored."""
        return {"low": self.low, "step": self.step}


@dataclass(frozen=True, eq=False)
class Sign:
    """+1 where a number is above 0, else -1."""

    def __call__(self, rows: Rows) -> Rows:
        """(n, d) to (n, d)."""
        import numpy as np

        return np.where(rows > 0, 1, -1).astype(np.float32)

    def tensors(self) -> dict[str, Any]:
        """Nothing."""
        return {}


Operation = Linear | Levels | Sign


@dataclass(frozen=True, eq=False)
class FittedSteps:
    """The steps of one design, ready to be applied to documents and queries alike.

    ``texts`` is the number of texts they were fitted on and ``source`` says which; both are empty
    where no step has to be fitted. ``backbone`` is the key of the backbone.
    """

    design: str
    operations: tuple[Operation, ...]
    texts: int = 0
    source: str = ""
    backbone: str = ""

    def __call__(self, vectors: Rows) -> Rows:
        """(n, d) unit rows to (n, k) unit rows.

        Raises:
            EmbedLabError: a vector came out as zero.
        """
        for operation in self.operations:
            vectors = _unit(operation(vectors), self.design)
        return vectors

    @property
    def rounding(self) -> float:
        """By how much a number may differ where a rounding error crosses a border of levels."""
        steps = [float(o.step.max()) for o in self.operations if isinstance(o, Levels)]
        return 2 * max(steps, default=0.0)

    def modules(self, width: int) -> list[ExportedModule]:
        """The modules of sentence-transformers that do the same, each between two Normalize.

        ``width`` is the length of the pooled vector.
        """
        import numpy as np
        import torch

        from embedlab.models.pooling import ExportedModule

        modules = []
        for operation in self.operations:
            if isinstance(operation, Linear):
                weight = np.eye(width, dtype=np.float32)
                weight = weight if operation.weight is None else operation.weight
                bias = np.zeros(width, np.float32) if operation.bias is None else operation.bias
                kind = "sentence_transformers.base.modules.dense.Dense"
                settings: dict[str, Any] = {
                    "in_features": width,
                    "out_features": len(weight),
                    "bias": True,
                    "activation_function": "torch.nn.modules.linear.Identity",
                }
                arrays = {"linear.weight": weight, "linear.bias": weight @ bias}
                width = len(weight)
            else:
                kind = f"export_pooling.{type(operation).__name__}"
                settings, arrays = {"hidden_size": width}, operation.tensors()
            tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}
            modules.append(ExportedModule(kind=kind, settings=settings, weights=tensors))
        return modules

    @property
    def digest(self) -> str:
        """Identifies these numbers; empty where there are no steps."""
        from embedlab.models.head import tensor_digest

        return tensor_digest(self._tensors()) if self.operations else ""

    def _tensors(self) -> dict[str, Any]:
        import torch

        return {
            f"{i}.{name}": torch.from_numpy(array)
            for i, operation in enumerate(self.operations)
            for name, array in operation.tensors().items()
        }

    def save(self, path: Path) -> None:
        """Write them into one safetensors file.

        Raises:
            EmbedLabError: the disk is full or the file cannot be written.
        """
        import torch

        from embedlab.files import disk_errors, save_tensors

        kinds = ",".join(type(operation).__name__ for operation in self.operations)
        facts = {
            "format": "embedlab-steps-1",
            "design": self.design,
            "operations": kinds,
            "texts": str(self.texts),
            "source": self.source,
            "backbone": self.backbone,
        }
        # A file without any tensor is none: signs alone have nothing to store.
        tensors = self._tensors() or {"none": torch.zeros(1)}
        with disk_errors(path.name):
            save_tensors(path, tensors, facts)

    @classmethod
    def load(cls, path: Path) -> FittedSteps:
        """Read a file that :meth:`save` wrote.

        Raises:
            EmbedLabError: it is none, or damaged.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as file:
                facts = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if facts["format"] != "embedlab-steps-1":
                raise ValueError(facts["format"])
            kinds = {kind.__name__: kind for kind in (Linear, Levels, Sign)}
            operations = [
                kinds[kind](**_of(arrays, f"{i}.")) for i, kind in enumerate(_words(facts))
            ]
            return cls(
                facts["design"],
                tuple(operations),
                int(facts["texts"]),
                facts["source"],
                facts["backbone"],
            )
        except (OSError, LookupError, ValueError, TypeError, SafetensorError) as error:
            raise EmbedLabError(
                f"{path.name!r} holds no fitted steps, or is damaged; write one with "
                "`embedlab fit`."
            ) from error

    def check(self, design: str, backbone_key: str) -> None:
        """Refuse to be used for another design or backbone than they were fitted for.

        Raises:
            EmbedLabError: the message names both.
        """
        if design != self.design:
            raise EmbedLabError(
                f"These steps were fitted for {self.design}, not for {design}; fit them again "
                "with `embedlab fit`."
            )
        if _weights(backbone_key) != _weights(self.backbone):
            raise EmbedLabError(
                "These steps were fitted on another backbone, or on it with other training; fit "
                "them again with `embedlab fit`."
            )


def check_order(steps: Sequence[str], pooling: str) -> None:
    """Refuse steps in an order that means nothing.

    Raises:
        EmbedLabError: a filter on vectors that are no states of the backbone any more.
    """
    words = [Step.parse(step).word for step in steps]
    for number, word in enumerate(words):
        if word != "filter":
            continue
        if pooling == "value_mean":
            raise EmbedLabError(
                "+filter keeps directions of the unembedding, and value_mean has other dimensions; "
                "leave it out, or choose another pooling."
            )
        if {"filter", "dim", "int8", "binary"} & set(words[:number]):
            raise EmbedLabError(
                f"+filter needs all dimensions of the state; write it before +{words[number - 1]}."
            )


def fit_steps(
    design: str, steps: Sequence[str], vectors: Rows, backbone: Backbone, source: str = ""
) -> FittedSteps:
    """Fit a design's steps on the pooled vectors (n, d) of documents, one after the other.

    Args:
        design: the design's text, for the record.
        steps: its steps.
        vectors: unit rows, before any step.
        backbone: gives the unembedding to a filter.
        source: says which texts these are.

    Raises:
        NotFitted: a step needs more texts, or leaves a zero vector.
        EmbedLabError: a step keeps more dimensions than there are.
    """
    operations: list[Operation] = []
    rows, fitted = vectors, False
    for text in steps:
        step = Step.parse(text)
        if step.fitted and len(rows) < step.least_texts:
            raise NotFitted(
                f"+{step} is fitted on at least {step.least_texts} texts, and there "
                f"{'is' if len(rows) == 1 else 'are'} {len(rows)}; give more, or fit it on others "
                "(embed(…, fit=texts), or `embedlab fit`)."
            )
        fitted |= step.fitted
        operations.append(_operation(step, rows, backbone))
        if len(operations) < len(steps):
            rows = _unit(operations[-1](rows), design)
    return FittedSteps(
        design,
        tuple(operations),
        len(vectors) if fitted else 0,
        source if fitted else "",
        backbone.key,
    )


def _operation(step: Step, rows: Rows, backbone: Backbone) -> Operation:
    """A step fitted on unit rows (n, d); sums run in float64."""
    import numpy as np

    d = rows.shape[1]
    if step.word == "binary":
        return Sign()
    if step.word == "dim":
        return Linear(np.eye(step.width(d), d, dtype=np.float32))
    if step.word == "filter":
        basis, keep = backbone.unembedding_basis(), step.width(d)
        start = (d - keep) // 2
        return Linear(basis[start : start + keep])
    if step.word == "int8":
        low, high = rows.min(axis=0), rows.max(axis=0)
        size = (high - low) / 255
        return Levels(low, np.where(size > 0, size, 1).astype(np.float32))
    mean = rows.mean(axis=0, dtype=np.float64)
    weight = None if step.word == "centre" else _directions(step, rows.astype(np.float64) - mean)
    return Linear(None if weight is None else weight.astype(np.float32), (-mean).astype(np.float32))


def _directions(step: Step, centred: Any) -> Any:
    """(d, d): what whitening, or all-but-the-top, multiplies centred rows (n, d) by."""
    import numpy as np

    d = centred.shape[1]
    covariance = centred.T @ centred / len(centred)
    if step.word == "abtt":
        top = np.linalg.eigh(covariance)[1][:, -int(step.number) :]
        return np.eye(d) - top @ top.T
    variance = np.trace(covariance) / d
    if variance <= 0:
        raise EmbedLabError("All texts have the same vector, so +whiten has nothing to scale.")
    values, vectors = np.linalg.eigh(
        (1 - SHRINKAGE) * covariance + SHRINKAGE * variance * np.eye(d)
    )
    return (vectors / np.sqrt(values)) @ vectors.T


def _unit(rows: Rows, design: str) -> Rows:
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not (lengths > 1e-6).all():
        raise NotFitted(
            f"{design} leaves a text without a vector: it stands at the mean of the texts that its "
            "steps were fitted on; fit them on more and different texts."
        )
    return np.asarray(rows / lengths, np.float32)


def _weights(backbone_key: str) -> tuple[str, list[str]]:
    """The parts of a backbone's key that name its weights, not its precision or its device."""
    name, *parts = backbone_key.split("|")
    return name, parts[3:]


def _of(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _words(facts: Mapping[str, str]) -> list[str]:
    return [word for word in facts["operations"].split(",") if word]
