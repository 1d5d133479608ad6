"""A file of prepared views: one corpus under many designs of one backbone, ready to be shown.

A safetensors file whose metadata are JSON. For the i-th of m designs it holds ``i.vectors`` (n, k)
and ``i.queries`` (q, k) in float16 and ``i.cut`` (n,), and what its steps multiply and add; for all
of them ``maps_a`` (m, n, 2), each design's map as A, and ``maps_b`` (m, m, n, 2), every other one
as B beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from embedlab.analysis.clusters import Clusters
from embedlab.data.corpus import Corpus
from embedlab.data.prepared import Prepared
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design, DesignText
from embedlab.models.no_backbone import AwaitedBackbone
from embedlab.models.steps import FittedSteps, Levels, Linear, Sign
from embedlab.validation import validated

Arrays = Mapping[str, npt.NDArray[Any]]
FORMAT = "embedlab-prepared-1"
_KINDS = {kind.__name__: kind for kind in (Linear, Levels, Sign)}


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OperationFacts(_Facts):
    """A step: its kind, and the names of its tensors in the file by what they are."""

    kind: Literal["Linear", "Levels", "Sign"]
    tensors: dict[str, str]


class SpokenFacts(_Facts):
    """What the means of clusters say; ``clusters`` names the clusters that it is said of."""

    clusters: str
    names: tuple[str, ...]


class DesignFacts(_Facts):
    """A design: its steps, and where its vectors are states each text's nearest words."""

    design: DesignText
    operations: tuple[OperationFacts, ...] = ()
    fitted_texts: int = 0
    fitted_on: str = ""
    words: tuple[tuple[str, ...], ...] = ()
    spoken: dict[str, SpokenFacts] = {}


class Facts(_Facts):
    """What the arrays are of; ``weights`` is the digest of the weights that they came from."""

    format: Literal["embedlab-prepared-1"]
    backbone: str
    weights: Annotated[str, Field(min_length=32, max_length=32)]
    key: str
    source: str
    note: str
    max_length: int
    num_layers: int
    corpus: str
    fingerprint: str
    queries: tuple[str, ...]
    n_neighbors: int
    min_dist: float
    seed: int
    designs: tuple[DesignFacts, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedView:
    """A corpus under one design; ``prepared`` has the vectors of texts and of its own queries."""

    prepared: Prepared
    cut: npt.NDArray[np.bool_]
    steps: FittedSteps


class PreparedFile:
    """One file's facts and arrays, safe for many threads."""

    def __init__(self, name: str, facts: Facts, arrays: Arrays) -> None:
        self.name, self.facts, self._arrays = name, facts, arrays
        self._numbers = {each.design: i for i, each in enumerate(facts.designs)}
        self._views: dict[int, PreparedView] = {}

    @cached_property
    def stand_in(self) -> AwaitedBackbone:
        """What stands for the backbone until it is loaded; one for all views."""
        facts = self.facts
        return AwaitedBackbone(
            facts.backbone,
            source=facts.source,
            note=facts.note,
            max_length=facts.max_length,
            num_layers=facts.num_layers,
        )

    def is_of(self, backbone_id: str, corpus: Corpus) -> bool:
        """Whether it is of this backbone, by its id, and of exactly these texts."""
        facts = self.facts
        return (facts.backbone, facts.fingerprint) == (backbone_id, corpus.fingerprint)

    def view(self, design: Design) -> PreparedView | None:
        """The corpus under a design; None where that is not prepared."""
        number = self._numbers.get(str(design))
        if number is None:
            return None
        # Of two threads that make it at a time, both make the same.
        return self._views.get(number) or self._views.setdefault(number, self._view(number))

    def maps(self, a: Design, b: Design) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
        """The two maps (n, 2) of a pair of designs."""
        numbers = [self._numbers.get(str(design)) for design in (a, b)]
        if None in numbers or "maps_a" not in self._arrays:
            return None
        return self._arrays["maps_a"][numbers[0]], self._arrays["maps_b"][numbers[0], numbers[1]]

    def words(self, design: Design, chosen: Sequence[int]) -> list[tuple[str, ...]] | None:
        """The words nearest to some of the texts' states; None where there are none."""
        of_texts = self._design(design).words
        return [of_texts[i] for i in chosen] if of_texts else None

    def spoken(self, design: Design, level: str, clusters: Clusters) -> tuple[str, ...] | None:
        """What the clusters' means say; None for other clusters than it was prepared of."""
        facts = self._design(design).spoken.get(level)
        return facts.names if facts and facts.clusters == clusters_digest(clusters) else None

    def _design(self, design: Design) -> DesignFacts:
        return self.facts.designs[self._numbers[str(design)]]

    def _view(self, number: int) -> PreparedView:
        facts, design = self.facts, self.facts.designs[number]
        operations = [
            _KINDS[each.kind](
                **{k: self._arrays[v].astype(np.float32) for k, v in each.tensors.items()}
            )
            for each in design.operations
        ]
        return PreparedView(
            prepared=Prepared(
                name=design.design,
                vectors=_unit(self._arrays[f"{number}.vectors"]),
                source=self.name,
                queries={query.strip(): i for i, query in enumerate(facts.queries)},
                query_vectors=_unit(self._arrays[f"{number}.queries"]),
            ),
            cut=self._arrays[f"{number}.cut"].astype(bool),
            steps=FittedSteps(
                design.design,
                tuple(operations),
                design.fitted_texts,
                design.fitted_on,
                facts.key,
            ),
        )


def read_prepared(path: Path) -> PreparedFile:
    """Read a file that :func:`write_prepared` wrote.

    Raises:
        EmbedLabError: it is none, or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            facts = validated(Facts, json.loads((file.metadata() or {})["facts"]))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        n, q = arrays["0.vectors"].shape[0], len(facts.queries)
        for i in range(len(facts.designs)):
            shapes = [len(arrays[f"{i}.{name}"]) for name in ("vectors", "queries", "cut")]
            if shapes != [n, q, n]:
                raise ValueError(shapes)
    except (OSError, LookupError, ValueError, EmbedLabError, SafetensorError) as error:
        raise EmbedLabError(
            f"{path.name!r} holds no prepared views, or is damaged; make it anew with "
            "`embedlab prepare`."
        ) from error
    return PreparedFile(path.name, facts, arrays)


def write_prepared(path: Path, facts: Facts, arrays: Arrays) -> None:
    """Write facts and arrays into one file, complete or not at all."""
    import torch

    from embedlab.files import disk_errors, save_tensors

    tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(path.name):
        save_tensors(path, tensors, {"facts": facts.model_dump_json()})


def clusters_digest(clusters: Clusters) -> str:
    """Names which text is in which cluster."""
    import hashlib

    labels = np.ascontiguousarray(clusters.labels, np.int64)
    return hashlib.blake2b(labels.tobytes(), digest_size=8).hexdigest()


def _unit(rows: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """Rounded to half precision, rows of length 1 are so no longer."""
    wide = rows.astype(np.float32)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True), np.float32)
