"""Which layer, without labels? Measures of a layer's vectors that need the texts alone.

dataset entropy       -Σ λ log λ, λ the eigenvalues of Z Zᵀ / tr, Z unit rows (2502.02013)
intrinsic dimension   N / Σ log(r2 / r1), r1 and r2 the distances to the two nearest (TwoNN)
retention             the share of a text's k nearest that the next layer keeps (2605.12714)
concentration         mean ‖x‖² / ‖mean x‖² - 1 over a text's tokens, averaged (2604.27398)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from embedlab.analysis import retrieval
from embedlab.analysis.bootstrap import Float64Array
from embedlab.analysis.retrieval import Float32Array
from embedlab.analysis.space import unit
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.models.pooling import POOLINGS
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.states import HiddenStates

#: The measures with their names for readers.
LABEL_FREE = {
    "entropy": "dataset entropy",
    "dimension": "intrinsic dimension (TwoNN)",
    "retention": "neighbours kept by the next layer",
    "concentration": "token concentration",
}
#: Nearest neighbours that retention compares.
NEIGHBOURS = 10
#: Texts below which the measures say nothing.
FEWEST_TEXTS = 12


@dataclass(frozen=True, eq=False)
class LabelFree:
    """The four measures over layers 0 … L, (L + 1,) each, of n texts under a design.

    NaN where a layer gives every text the same vector; ``retention`` is NaN at the last layer,
    which has no next one.
    """

    design: Design
    n: int
    entropy: Float64Array
    dimension: Float64Array
    retention: Float64Array
    concentration: Float64Array

    @property
    def proposal(self) -> tuple[int, str]:
        """A layer, and in a sentence why."""
        candidates = np.where(np.isfinite(self.entropy), self.entropy, -np.inf)
        candidates[0] = -np.inf  # the embedding layer knows words and no context
        layer = int(candidates.argmax())
        return layer, (
            f"Without labels layer {layer} would be tried first: there the {self.n:,} texts are "
            f"spread over the most directions (dataset entropy {self.entropy[layer]:.2f})."
        )

    def agreement(self, scores: Float64Array) -> dict[str, float]:
        """Spearman's correlation over layers of each measure with a quality, (L + 1,).

        NaN where fewer than three layers have both.
        """
        from scipy.stats import spearmanr

        result = {}
        for name in LABEL_FREE:
            values = getattr(self, name)
            both = np.isfinite(values) & np.isfinite(scores)
            result[name] = (
                float(spearmanr(values[both], scores[both]).statistic)
                if both.sum() > 2
                else float("nan")
            )
        return result


def label_free(states: HiddenStates, design: Design, progress: Progress = no_progress) -> LabelFree:
    """Measure every layer of n texts under a design's pooling.

    Raises:
        EmbedLabError: too few texts, or a pooling that reads no single layer.
    """
    pooling = POOLINGS[design.pooling]
    if not pooling.reads_layer or pooling.between_layers:
        raise EmbedLabError(
            f"{design.pooling} reads no single layer, so layers cannot be compared."
        )
    if len(states) < FEWEST_TEXTS:
        raise EmbedLabError(
            f"{len(states)} texts say nothing about layers; give at least {FEWEST_TEXTS}."
        )
    entropy, dimension, near = [], [], []
    for layer, bank in enumerate(states.layer_banks()):
        progress(layer, states.num_layers + 1, "layers without labels")
        rows = unit(pooling.from_bank(bank, design.skip_first).cpu().numpy())
        whole = bool(np.isfinite(rows).all()) and float(np.ptp(rows, axis=0).max()) > 1e-6
        entropy.append(dataset_entropy(rows) if whole else np.nan)
        dimension.append(two_nn(rows) if whole else np.nan)
        near.append(retrieval.neighbours(rows, NEIGHBOURS).ids[:, :NEIGHBOURS] if whole else None)
    retention = [np.nan if a is None or b is None else _retention(a, b) for a, b in pairwise(near)]
    return LabelFree(
        design=design,
        n=len(states),
        entropy=np.array(entropy),
        dimension=np.array(dimension),
        retention=np.array([*retention, np.nan]),
        concentration=concentration(states),
    )


def dataset_entropy(rows: Float32Array) -> float:
    """-Σ λ log λ of Z Zᵀ / tr for rows (n, d), from the smaller of the two Gram matrices."""
    z = rows.astype(np.float64)
    values = np.linalg.eigvalsh(z @ z.T if len(z) < z.shape[1] else z.T @ z)
    share = np.clip(values, 0, None) / values.sum()
    present = share[share > 1e-15]
    return float(-(present * np.log(present)).sum())


def entropy_items(rows: Float32Array) -> Float64Array:
    """What each of n unit rows adds to the dataset entropy, (n,); their mean is the entropy.

    With ρ = Zᵀ Z / n this is -zᵢᵀ (log ρ) zᵢ: how unusual a text's direction is among the others.
    Up to a constant it is the entropy's influence function, so that a bootstrap of the mean is,
    to first order, one of the entropy, without an eigendecomposition for every resample.
    """
    z = rows.astype(np.float64)
    n = len(z)
    gram = z @ z.T if n < z.shape[1] else z.T @ z
    values, vectors = np.linalg.eigh(gram / n)
    # A text's share of each direction: zᵢᵀ v for the directions v, from either Gram matrix.
    shares = n * vectors**2 * values if n < z.shape[1] else (z @ vectors) ** 2
    present = values > 1e-15
    return np.asarray(-(shares[:, present] * np.log(values[present])).sum(axis=1))


def two_nn(rows: Float32Array) -> float:
    """The intrinsic dimension by the two nearest of each row (n, d) (Facco et al., 2017).

    Rows that stand at the same place as another say nothing and are left out.
    """
    z = rows.astype(np.float64)
    squares = (z**2).sum(axis=1)
    distances = np.sqrt(np.clip(squares[:, None] + squares[None] - 2 * z @ z.T, 0, None))
    np.fill_diagonal(distances, np.inf)
    first, second = np.partition(distances, 1, axis=1)[:, :2].T
    apart = first > 1e-6
    ratios = np.log(second[apart] / first[apart])
    return float(apart.sum() / ratios.sum()) if ratios.sum() > 0 else float("nan")


def concentration(states: HiddenStates) -> Float64Array:
    """(L + 1,): how far the tokens of a text are from pointing their own ways, over n texts.

    0 where all tokens of a text are equal; large where they cancel each other, or one is huge.
    """
    means = np.stack(
        [
            POOLINGS["mean"].from_bank(bank).double().pow(2).sum(dim=-1).cpu().numpy()
            for bank in states.layer_banks()
        ],
        axis=1,
    )  # (n, L + 1)
    squares = np.stack([_squares(row.squares) for row in states.rows])
    return np.asarray((squares / np.maximum(means, 1e-30) - 1).mean(axis=0))


def _squares(squares: object) -> Float64Array:
    if squares is None:
        raise LookupError("the pass kept no squared lengths")
    return np.asarray(squares, np.float64)


def _retention(here: np.ndarray, following: np.ndarray) -> float:
    shared = [len(set(a) & set(b)) for a, b in zip(here.tolist(), following.tolist(), strict=True)]
    return float(np.mean(shared)) / here.shape[1]
