"""Texts under all designs of a run: one pass for each attention and template."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedlab.errors import EmbedLabError
from embedlab.models.backbone import Backbone
from embedlab.models.design import NATIVE, Design
from embedlab.models.embedding import Vectors, mean_of_templates, pool
from embedlab.models.states import BANK_ROWS
from embedlab.models.steps import FittedSteps, fit_steps
from embedlab.models.template import Template
from embedlab.progress import Progress, no_progress
from embedlab.stream.order import Order
from embedlab.stream.texts import Block

if TYPE_CHECKING:
    import pyarrow as pa

#: Bytes that the hidden states of the texts at hand may take, and the most texts at hand.
_STATE_BYTES, _MOST_TEXTS = 800_000_000, 1_000


class Pooled:
    """The pooled vectors of n texts before any step, a (n, d) for each design.

    ``truncated`` (n,) says which texts were cut by one of the passes, and ``problems`` has for the
    texts that gave no vector the reason; their rows are NaN.
    """

    def __init__(self, n: int) -> None:
        self.vectors: list[Vectors] = []
        self.truncated: NDArray[np.bool_] = np.zeros(n, bool)
        self.problems: dict[int, str] = {}


class Embedder:
    """A backbone and the designs of a run, ready for any number of texts.

    Args:
        order: what the run is.
        backbone: what it runs through; its cache should hold nothing.
    """

    def __init__(self, order: Order, backbone: Backbone) -> None:
        self.order, self.backbone = order, backbone
        self.designs = [
            backbone.native_design() if text == NATIVE else Design.parse(text)
            for text in order.designs
        ]
        for design in self.designs:
            backbone.check(design)
        names = [str(design) for design in self.designs]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise EmbedLabError(f"The design {repeated[0]} was given twice; give it once.")
        #: For each pass the designs that read it, and the number of its template among theirs.
        self.passes: dict[tuple[str, Template], list[tuple[int, int]]] = defaultdict(list)
        for i, design in enumerate(self.designs):
            for j, template in enumerate(design.templates(query=order.query)):
                self.passes[design.mode, template].append((i, j))
        self.steps: list[FittedSteps] = []

    @property
    def weights(self) -> str:
        """Identifies what the vectors come from, on any device and in any precision."""
        name, _, _, *rest = self.backbone.key.split("|")
        heads = [
            f"{design.mode}/{design.pooling}:{self.backbone.head(design).digest}"
            for design in self.designs
            if design.trainable
        ]
        return "|".join([name, *rest, *dict.fromkeys(heads)])

    def chunks(self, texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
        """Texts whose hidden states are in memory at once, with the number of the first.

        They follow from the texts and the backbone alone, so they are the same on every machine:
        texts in other batches would round differently.
        """
        layers, d = self.backbone.num_layers + 1, self.backbone.hidden_size
        number, longest = self.backbone.dtype.itemsize, self.backbone.max_length
        start, taken = 0, 0
        for i, text in enumerate(texts):
            # The bank twice, of the text alone too, and the tokens of a bidirectional pass, each of
            # which has rarely less than two characters.
            tokens = min(longest, 8 + len(text) // 2)
            needed = number * d * (2 * BANK_ROWS * layers + tokens)
            if i > start and (taken + needed > _STATE_BYTES or i - start == _MOST_TEXTS):
                yield start, texts[start:i]
                start, taken = i, 0
            taken += needed
        if texts:
            yield start, texts[start:]

    def fit(self, texts: Sequence[str], source: str, given: Mapping[str, FittedSteps]) -> None:
        """Fit the steps of all designs on texts; ``given`` are some that were fitted before.

        Raises:
            EmbedLabError: a step needs more texts than there are.
        """
        for steps in given.values():
            steps.check(steps.design, self.backbone.key)
        needed = [str(d) for d in self.designs if d.fitted and str(d) not in given]
        pooled = self.pooled(texts) if needed else None
        if pooled is not None and pooled.problems:
            kept = np.ones(len(texts), bool)
            kept[list(pooled.problems)] = False
            pooled.vectors = [vectors[kept] for vectors in pooled.vectors]
        for i, design in enumerate(self.designs):
            rows = pooled.vectors[i] if pooled is not None else self.any_row(design)
            fitted = given.get(str(design)) or fit_steps(
                str(design), design.steps, rows, self.backbone, source
            )
            self.steps.append(fitted)

    def load_steps(self, file_of: Mapping[int, Path]) -> None:
        """Take the steps from files, of designs that have fitted ones, by their numbers."""
        for i, design in enumerate(self.designs):
            if i in file_of:
                steps = FittedSteps.load(file_of[i])
                steps.check(str(design), self.backbone.key)
            else:
                row = self.any_row(design)
                steps = fit_steps(str(design), design.steps, row, self.backbone)
            self.steps.append(steps)

    def any_row(self, design: Design) -> Vectors:
        """For steps that look at no vector but its length."""
        return np.eye(1, self.backbone.vector_size(design), dtype=np.float32)

    def pooled(self, texts: Sequence[str], progress: Progress = no_progress) -> Pooled:
        """Pool n texts under all designs, chunk by chunk."""
        whole, parts = Pooled(len(texts)), []
        for start, chunk in self.chunks(texts):

            def report(done: int, total: int, what: str, start: int = start) -> None:
                progress(start + done, len(texts), what)

            part = self._pooled_chunk(chunk, report)
            parts.append(part.vectors)
            whole.truncated[start : start + len(chunk)] = part.truncated
            whole.problems |= {start + i: reason for i, reason in part.problems.items()}
        whole.vectors = [np.concatenate(of_design) for of_design in zip(*parts, strict=True)]
        return whole

    def _pooled_chunk(self, texts: Sequence[str], progress: Progress) -> Pooled:
        """A chunk; where a text in it cannot be embedded, its halves, until it stands alone."""
        try:
            return self._passed(texts, progress)
        except EmbedLabError as error:
            if len(texts) == 1:
                alone = Pooled(1)
                alone.problems[0] = str(error)
                widths = map(self.backbone.vector_size, self.designs)
                alone.vectors = [np.full((1, width), np.nan, np.float32) for width in widths]
                return alone
        middle = len(texts) // 2
        first, second = (self._pooled_chunk(t, progress) for t in (texts[:middle], texts[middle:]))
        both = Pooled(len(texts))
        both.vectors = [
            np.concatenate(of) for of in zip(first.vectors, second.vectors, strict=True)
        ]
        both.truncated[:] = np.concatenate([first.truncated, second.truncated])
        both.problems = first.problems | {middle + i: why for i, why in second.problems.items()}
        return both

    def _passed(self, texts: Sequence[str], progress: Progress) -> Pooled:
        result = Pooled(len(texts))
        parts: list[dict[int, Vectors]] = [{} for _ in self.designs]
        count = len(self.passes)
        for number, ((mode, template), readers) in enumerate(self.passes.items()):

            def report(done: int, total: int, what: str, number: int = number) -> None:
                progress((number * total + done) // count, total, what)

            states = self.backbone.states(texts, mode, template, progress=report)
            result.truncated |= states.truncated.numpy()
            for i, j in readers:
                parts[i][j] = pool(states, self.designs[i], self.backbone, template=template)
        result.vectors = [
            mean_of_templates([of_design[j] for j in sorted(of_design)]) for of_design in parts
        ]
        return result

    def table(self, source: str, block: Block, progress: Progress = no_progress) -> pa.Table:
        """A part: the rows of a block with their vectors under every design.

        Columns are ``file``, ``row``, ``id``, ``text`` where the order says so, ``truncated``,
        ``problem`` (why a text has no vectors; else null), and one for each design.
        """
        import pyarrow as pa

        texts = block.texts
        with _memory():
            pooled = self.pooled([text.text for text in texts], progress)
        good = np.ones(len(texts), bool)
        good[list(pooled.problems)] = False
        columns: dict[str, Any] = {
            "file": pa.array([source] * len(texts), pa.string()),
            "row": pa.array([text.row for text in texts], pa.int64()),
            "id": pa.array([text.id or f"{source}:{text.row}" for text in texts], pa.string()),
        }
        if self.order.with_text:
            columns["text"] = pa.array([text.text for text in texts], pa.string())
        columns["truncated"] = pa.array(pooled.truncated)
        reasons = [pooled.problems.get(i) for i in range(len(texts))]
        columns["problem"] = pa.array(reasons, pa.string())
        for steps, vectors in zip(self.steps, pooled.vectors, strict=True):
            columns[steps.design] = self._column(steps(vectors[good]), good)
        facts = {
            "embedlab.truncated": str(int(pooled.truncated.sum())),
            "embedlab.problems": str(len(pooled.problems)),
            "embedlab.backbone": self.backbone.name,
        }
        return pa.table(columns, metadata=facts)

    def _column(self, vectors: Vectors, good: NDArray[np.bool_]) -> pa.FixedSizeListArray:
        """Vectors of the good texts as a column of all, null for the others."""
        import pyarrow as pa

        width = vectors.shape[1]
        numbers = np.float16 if self.order.numbers == "float16" else np.float32
        if good.all():
            return pa.FixedSizeListArray.from_arrays(
                pa.array(vectors.astype(numbers, copy=False).reshape(-1)), width
            )
        every = np.zeros((len(good), width), numbers)
        every[good] = vectors
        return pa.FixedSizeListArray.from_arrays(
            pa.array(every.reshape(-1)), width, mask=pa.array(~good)
        )


@contextmanager
def _memory() -> Iterator[None]:
    """Say in a sentence that the memory did not suffice."""
    import torch

    try:
        yield
    except (MemoryError, RuntimeError) as error:
        full = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not full and "can't allocate memory" not in str(error):  # torch's own, of a CPU
            raise
        raise EmbedLabError(
            "The memory did not suffice for these texts; give the same command with fewer workers "
            "on a machine, a smaller --part-texts in a new folder, or a smaller backbone."
        ) from error
