"""Several sets of pairs as one, and pairs of theirs that are kept for the end."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from embedlab.data.corpus import Corpus
from embedlab.data.pairs import PairSet
from embedlab.data.training_sets import find_pairs
from embedlab.errors import EmbedLabError
from embedlab.progress import Progress, no_progress


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """The pairs to train on, and by set the unseen ones, as queries with a relevant text each."""

    pairs: PairSet
    unseen: Mapping[str, Corpus]


def mix(
    sizes: Mapping[str, int], *, unseen: int = 0, seed: int = 0, progress: Progress = no_progress
) -> Mixture:
    """So many pairs of each set, drawn by ``seed``, in the order of the sets.

    Args:
        sizes: pairs by the set, a built-in one's id or a file's path.
        unseen: pairs that are kept apart of every set that has as many more than its size. They
            share no text with the pairs to train on.

    Raises:
        EmbedLabError: a set cannot be had, or has fewer pairs.
    """
    parts: list[PairSet] = []
    kept: dict[str, Corpus] = {}
    for name, size in sizes.items():
        pairs = find_pairs(name, progress=progress)
        if size > len(pairs):
            raise EmbedLabError(
                f"{size:,} pairs of {pairs.title!r} were asked for, and it has {len(pairs):,}; "
                "ask for fewer."
            )
        if unseen and len(pairs) - unseen >= size:
            pairs, apart = pairs.split(unseen, seed)
            kept[name] = _to_find(apart)
        drawn = random.Random(f"{seed}/{name}").sample(range(len(pairs)), min(size, len(pairs)))
        parts.append(pairs.take(sorted(drawn)))
    return Mixture(pairs=_joined(parts), unseen=kept)


def _joined(parts: list[PairSet]) -> PairSet:
    """One set of them all, that says where each part is from."""

    def each(values: list[str]) -> str:
        return "; ".join(dict.fromkeys(filter(None, values)))

    return PairSet(
        id="+".join(part.id for part in parts),
        title=" + ".join(f"{len(part):,} of {part.title}" for part in parts),
        source=each([part.source for part in parts]),
        licence=each([part.licence for part in parts]),
        anchors=tuple(text for part in parts for text in part.anchors),
        positives=tuple(text for part in parts for text in part.positives),
        removed=sum(part.removed for part in parts),
        in_domain=tuple(dict.fromkeys(name for part in parts for name in part.in_domain)),
    )


def _to_find(pairs: PairSet) -> Corpus:
    """The positives as texts, the anchors as queries, each with what belongs to it."""
    texts = tuple(dict.fromkeys(pairs.positives))
    number = {text: i for i, text in enumerate(texts)}
    answers: dict[str, set[int]] = {}
    for anchor, positive in zip(pairs.anchors, pairs.positives, strict=True):
        answers.setdefault(anchor, set()).add(number[positive])
    return Corpus(
        id=pairs.id,
        title=pairs.title,
        texts=texts,
        queries=tuple(answers),
        relevant=tuple(answers.values()),
        source=pairs.source,
        licence=pairs.licence,
    )
