"""Pairs of texts to train on, kept apart from evaluation corpora."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from embedlab.data.corpora import CORPORA
from embedlab.data.corpus import Corpus
from embedlab.data.tables import count_note
from embedlab.errors import EmbedLabError


@dataclass(frozen=True, kw_only=True, eq=False)
class PairSet:
    """Pairs of texts that belong together, each perhaps with texts that do not.

    ``negatives`` is empty or holds the hard negatives of every pair, any number of them.
    ``removed`` counts the pairs left out because an evaluation corpus has them too; ``in_domain``
    names the evaluation corpora of the same source; ``taken`` says which columns of a file the
    texts come from. A set needs two different pairs; a ``part`` taken from a set may have any
    number.

    Raises:
        EmbedLabError: lengths that disagree, an empty text, or too little to learn from.
    """

    id: str
    title: str
    source: str = ""
    licence: str = ""
    anchors: tuple[str, ...]
    positives: tuple[str, ...]
    negatives: tuple[tuple[str, ...], ...] = ()
    removed: int = 0
    in_domain: tuple[str, ...] = ()
    taken: str = ""
    notes: tuple[str, ...] = ()
    part: bool = False

    def __post_init__(self) -> None:
        n, named = len(self.anchors), repr(self.title[:60])
        columns = {"positive": self.positives, "list of negative": self.negatives}
        for kind, column in columns.items():
            if len(column) != n and (column or kind == "positive"):
                raise EmbedLabError(
                    f"{named} has {n:,} anchors but {len(column):,} {kind}s; give one per anchor."
                )
        rows = zip(self.anchors, self.positives, self.negatives or ((),) * n, strict=True)
        for row, (anchor, positive, negatives) in enumerate(rows, start=1):
            kinds = ("anchor", "positive", *["negative"] * len(negatives))
            for kind, text in zip(kinds, (anchor, positive, *negatives), strict=True):
                if not text.strip():
                    raise EmbedLabError(
                        f"Row {row:,} of {named} has an empty {kind}; fill it or leave the row out."
                    )
        if self.part:
            return
        if n == 0:
            raise EmbedLabError(f"{named} has no pairs; training needs at least two.")
        if n == 1:
            raise EmbedLabError(
                f"{named} has one pair, and one pair has no in-batch negatives; give at least two."
            )
        if _all_the_same(self):
            raise EmbedLabError(
                f"All {n:,} pairs of {named} are identical, so there is nothing to learn; give "
                "different ones."
            )

    def __len__(self) -> int:
        return len(self.anchors)

    @property
    def every_negative(self) -> tuple[str, ...]:
        """The hard negatives of all pairs, each text once."""
        return tuple(dict.fromkeys(text for texts in self.negatives for text in texts))

    @cached_property
    def digest(self) -> str:
        """The sha256, in hex, of all texts and their order."""
        digest = hashlib.sha256()
        flat = [text for texts in self.negatives for text in texts]
        for texts in (self.anchors, self.positives, flat):
            digest.update(len(texts).to_bytes(8, "big"))
            for text in texts:
                data = text.encode("utf-8", "surrogatepass")
                digest.update(len(data).to_bytes(8, "big") + data)
        counts = [len(texts) for texts in self.negatives]
        if set(counts) - {1}:
            digest.update(" ".join(map(str, counts)).encode())
        return digest.hexdigest()

    @cached_property
    def groups(self) -> list[list[int]]:
        """The pairs' indices in groups that have no anchor or positive in common."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        number: dict[str, int] = {}
        anchors, positives = (
            [number.setdefault(normal_text(text), len(number)) for text in texts]
            for texts in (self.anchors, self.positives)
        )
        links = coo_array(
            (np.ones(len(self), dtype=np.int8), (anchors, positives)), shape=(len(number),) * 2
        )
        count, group_of = connected_components(links, directed=False)
        groups: list[list[int]] = [[] for _ in range(count)]
        for i, anchor in enumerate(anchors):
            groups[group_of[anchor]].append(i)
        return groups

    @property
    def facts(self) -> dict[str, Any]:
        """Where the pairs come from, how many they are, and the hash of their texts."""
        return {
            "id": self.id,
            "title": self.title,
            "source": self.source,
            "licence": self.licence,
            "pairs": len(self),
            "sha256": self.digest,
            "removed": self.removed,
            "in_domain": list(self.in_domain),
        }

    def take(self, indices: Iterable[int]) -> PairSet:
        """The pairs at ``indices``, in that order, as a part of this set."""
        chosen = list(indices)
        return replace(
            self,
            anchors=tuple(self.anchors[i] for i in chosen),
            positives=tuple(self.positives[i] for i in chosen),
            negatives=tuple(self.negatives[i] for i in chosen) if self.negatives else (),
            part=True,
        )

    def split(self, held_out: int, seed: int) -> tuple[PairSet, PairSet]:
        """Pairs to train on and about ``held_out`` others, drawn by ``seed``, to score.

        Pairs that share an anchor or a positive, however indirectly, stay together, and a held-out
        text is left out of the hard negatives; so no held-out anchor or positive is ever trained
        on. At most a fifth is held out, and nothing where two pairs, the fewest
        that can be scored, would be more than that or only come with too many others.
        """
        if held_out < 0:
            raise EmbedLabError(f"{held_out} pairs cannot be held out; ask for 0 or more.")
        most = min(held_out, len(self) // 5)
        held: list[int] = []
        for g in np.random.default_rng(seed).permutation(len(self.groups)):
            if len(held) + len(self.groups[g]) <= most:
                held += self.groups[g]
        held_texts = {
            normal_text(texts[i]) for texts in (self.anchors, self.positives) for i in held
        }
        train = self.take(sorted(set(range(len(self))) - set(held)))
        negatives = tuple(
            tuple(text for text in texts if normal_text(text) not in held_texts)
            for texts in train.negatives
        )
        if len(held) < 2 or _all_the_same(train):
            return self, self.take(())
        lost = sum(map(len, train.negatives)) - sum(map(len, negatives))
        notes = count_note(lost, "hard negative", "left out of training for being held out")
        train = replace(train, negatives=negatives, notes=self.notes + notes)
        return train, self.take(sorted(held))


def _all_the_same(pairs: PairSet) -> bool:
    return len(set(zip(pairs.anchors, pairs.positives, strict=True))) < 2


def normal_text(text: str) -> str:
    """A text without regard to case and white space, to compare it by."""
    return " ".join(text.casefold().split())


def without_overlap(pairs: PairSet, corpora: Iterable[Corpus]) -> PairSet:
    """Leave out the pairs that an evaluation corpus has too, and add them to ``removed``.

    Texts are compared without regard to case and white space. A corpus has a pair

    - if it has scored pairs: when the two texts are one of them, in either order;
    - if it has queries: when either text is a query or relevant to one;
    - if it has only labels: when either text is one of its texts.

    A corpus of texts alone evaluates nothing, so it has no pair. Hard negatives are not compared.

    Raises:
        EmbedLabError: fewer than two pairs are left.
    """
    both: set[frozenset[str]] = set()
    either: set[str] = set()
    for corpus in corpora:
        texts = [normal_text(text) for text in corpus.texts]
        both.update(frozenset((texts[i], texts[j])) for i, j, _ in corpus.pairs)
        either.update(map(normal_text, corpus.queries))
        either.update(texts[i] for answers in corpus.relevant for i in answers)
        if corpus.fields and not (corpus.pairs or corpus.queries):
            either.update(texts)
    rest = []
    for i, texts_of_pair in enumerate(zip(pairs.anchors, pairs.positives, strict=True)):
        pair = frozenset(map(normal_text, texts_of_pair))
        if pair not in both and pair.isdisjoint(either):
            rest.append(i)
    removed = len(pairs) - len(rest)
    if not removed:
        return pairs
    if len(rest) < 2:
        raise EmbedLabError(
            f"{removed:,} of the {len(pairs):,} pairs of {pairs.title[:60]!r} also stand in an "
            "evaluation corpus, which leaves too few to train on; choose other pairs."
        )
    return replace(pairs.take(rest), removed=pairs.removed + removed, part=pairs.part)


def describe(pairs: PairSet) -> str:
    """One line for people: how many pairs, how many were removed, and what is in-domain."""
    line = counts(pairs.anchors, pairs.negatives)
    if pairs.removed:
        stand = "it stands" if pairs.removed == 1 else "they stand"
        line += f", {pairs.removed:,} left out because {stand} in an evaluation corpus"
    if pairs.in_domain:
        titles = [
            CORPORA[c].title.partition(",")[0] if c in CORPORA else c for c in pairs.in_domain
        ]
        line += f"; in-domain for {' and '.join(titles)}"
    return line


def counts(anchors: Sequence[str], negatives: Sequence[Sequence[str]]) -> str:
    """``8 pairs of 4 anchors, with 2 positives and a hard negative each``."""
    n, positives = len(anchors), Counter(anchors)
    line = f"{n:,} {'pair' if n == 1 else 'pairs'}"
    kinds = []
    if len(positives) < n:
        line += f" of {len(positives):,} {'anchor' if len(positives) == 1 else 'anchors'},"
        kinds.append(_spread(positives.values(), "positive"))
    if any(negatives):
        kinds.append(_spread(map(len, negatives), "hard negative"))
    return f"{line} with {' and '.join(kinds)} each" if kinds else line


def _spread(counts: Iterable[int], what: str) -> str:
    """``a positive``, ``3 positives`` or ``1 to 3 positives``."""
    distinct = sorted(set(counts))
    if distinct == [1]:
        return f"a {what}"
    return f"{' to '.join(f'{n:,}' for n in dict.fromkeys((distinct[0], distinct[-1])))} {what}s"
