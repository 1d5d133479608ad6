"""A corpus: texts with labels, scored pairs or queries, and samples of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from embedlab.data.prepared import Prepared
from embedlab.errors import EmbedLabError

#: The texts that answer a query, by index: a set, or each one's grade where judgements are graded.
Relevant = AbstractSet[int] | Mapping[int, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Texts with labels, scored pairs, or queries with relevant texts.

    ``fields`` holds one value for each text under each name; the first field is the label.
    ``pairs`` are (i, j, score) over indices of texts, and ``pair_groups`` names the dataset of each
    pair where there are several; ``relevant`` holds for each query the indices of the texts that
    answer it, with their grades above 0 where it is a mapping, and ``candidates`` those among which
    they are to be found, where these are not all texts. ``total`` counts the texts before
    sampling, and ``seed`` is the sample's.

    A blank value in a field means that the text is not labelled. ``columns`` are what else the
    source has of each text, cells as they are written there. ``ids`` and ``query_ids`` are the
    names of texts and queries in their source, if they have some, and ``rows`` the texts' numbers
    there, by default from 1.
    ``left_out`` are rows of the source that gave no text, each with the reason in a few words.
    ``part_of`` is the title of the corpus that these texts were picked from, if they were.
    ``prepared`` are vectors of the texts that were made elsewhere, by their names.

    Raises:
        EmbedLabError: lengths that disagree or an index outside the texts.
    """

    id: str
    title: str
    texts: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pairs: tuple[tuple[int, int, float], ...] = ()
    pair_groups: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    relevant: tuple[Relevant, ...] = ()
    query_ids: tuple[str, ...] = ()
    candidates: tuple[AbstractSet[int], ...] = ()
    total: int = 0
    seed: int | None = None
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()
    part_of: str = ""
    prepared: Mapping[str, Prepared] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.texts)
        if not self.total:
            object.__setattr__(self, "total", n)
        if not self.rows:
            object.__setattr__(self, "rows", tuple(range(1, n + 1)))
        for name, numbers in (("ids", self.ids), ("row numbers", self.rows)):
            if numbers and len(numbers) != n:
                raise EmbedLabError(
                    f"{self.title!r} has {len(numbers):,} {name} for {n:,} texts; give one per "
                    "text."
                )
        for name, values in (*self.fields.items(), *self.columns.items()):
            if len(values) != n:
                raise EmbedLabError(
                    f"Field {name!r} of {self.title!r} has {len(values):,} values for {n:,} texts; "
                    "give one per text."
                )
        for name, given in self.prepared.items():
            if len(given.vectors) != n:
                raise EmbedLabError(
                    f"'file: {name}' has {len(given.vectors):,} vectors for {n:,} texts; give one "
                    "per text."
                )
        if self.pair_groups and len(self.pair_groups) != len(self.pairs):
            raise EmbedLabError(
                f"{self.title!r} has {len(self.pairs):,} pairs but groups for "
                f"{len(self.pair_groups):,}; give one per pair."
            )
        if len(self.relevant) != len(self.queries):
            raise EmbedLabError(
                f"{self.title!r} has {len(self.queries):,} queries but relevant texts for "
                f"{len(self.relevant):,}; give one set per query."
            )
        if self.query_ids and len(self.query_ids) != len(self.queries):
            raise EmbedLabError(
                f"{self.title!r} has {len(self.query_ids):,} ids for {len(self.queries):,} "
                "queries; give one per query."
            )
        if self.candidates and (
            len(self.candidates) != len(self.queries)
            or not all(set(r) <= c for r, c in zip(self.relevant, self.candidates, strict=True))
        ):
            raise EmbedLabError(
                f"{self.title!r} needs candidates for each query, all relevant texts among them."
            )
        for texts in self.relevant:
            if isinstance(texts, Mapping) and not all(grade > 0 for grade in texts.values()):
                raise EmbedLabError(
                    f"{self.title!r} has a relevant text of grade {min(texts.values()):g}; leave "
                    "out those that are not relevant."
                )
        used = {i for *both, _ in self.pairs for i in both}.union(*self.relevant, *self.candidates)
        if wrong := [i for i in used if not 0 <= i < n]:
            raise EmbedLabError(
                f"{self.title!r} points at text {wrong[0]}, but its texts are 0 to {n - 1}."
            )

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The first field, if there is one."""
        return next(iter(self.fields.values()), None)

    @property
    def size_note(self) -> str:
        """``400 of 5,382`` for a sample, else ``160``."""
        n = len(self.texts)
        return f"{n:,}" if n == self.total else f"{n:,} of {self.total:,}"

    @cached_property
    def numbers(self) -> npt.NDArray[np.int64]:
        """The number of each text among the distinct ones, in order of appearance: (n,)."""
        order = {text: i for i, text in enumerate(dict.fromkeys(self.texts))}
        return np.array([order[text] for text in self.texts], np.int64)

    @property
    def firsts(self) -> npt.NDArray[np.int64]:
        """Where each distinct text appears first, in order of appearance."""
        return np.unique(self.numbers, return_index=True)[1].astype(np.int64)

    @property
    def repeated(self) -> int:
        """How many texts repeat an earlier one."""
        return len(self.texts) - len(self.firsts)

    def without_repetitions(self) -> Corpus:
        """Every text once, where it appears first, without pairs and queries."""
        bare = replace(
            self, pairs=(), pair_groups=(), queries=(), query_ids=(), relevant=(), candidates=()
        )
        return bare._subset(self.firsts.tolist(), [], self.seed)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the texts in their order, the same in every process."""
        digest = hashlib.sha256()
        for text in self.texts:
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()[:16]

    @cached_property
    def annotations_hash(self) -> str:
        """A hash of what the corpus says about its texts: fields, columns, pairs, queries."""
        relevant = [
            sorted(texts.items() if isinstance(texts, Mapping) else texts)
            for texts in self.relevant
        ]
        said = (dict(self.fields), dict(self.columns), self.pairs, self.queries, relevant)
        # Only where there are some, so that what was cached before they were known is still found.
        annotations = repr((*said, *map(sorted, self.candidates)))
        return hashlib.sha256(annotations.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def key(self) -> tuple[str, str]:
        """Names the texts and their annotations, for caches."""
        return self.fingerprint, self.annotations_hash

    def sample(self, n: int, seed: int) -> Corpus:
        """At most ``n`` of the texts, drawn by ``seed``, in their order of appearance.

        Whole pairs are drawn, then whole sets of texts relevant to the same query (for up to n/4
        queries), then other texts; so a sample can still be scored.
        """
        if n < 1:
            raise EmbedLabError(f"A sample of {n} texts is empty; ask for 1 or more.")
        if n >= len(self.texts):
            return self
        rng = np.random.default_rng(seed)
        chosen: set[int] = set()
        for i in rng.permutation(len(self.pairs))[:n]:
            _add_if_it_fits(chosen, self.pairs[i][:2], n)
        order = rng.permutation(len(self.queries))
        most_queries = max(1, n // 4)
        for q in order[:most_queries]:
            _add_if_it_fits(chosen, self.relevant[q], n)
        others = [i for i in rng.permutation(len(self.texts)).tolist() if i not in chosen]
        chosen.update(others[: n - len(chosen)])
        queries = [q for q in order.tolist() if not chosen.isdisjoint(self.relevant[q])][
            :most_queries
        ]
        return self._subset(sorted(chosen), sorted(queries), seed)

    def only(self, indices: Iterable[int], title: str) -> Corpus:
        """Some of the texts as a corpus of its own, with their labels, columns, ids and numbers.

        Pairs stay where both texts do, queries where a relevant text does.

        Args:
            indices: of the texts, in any order; they keep that of this corpus.
            title: of the new corpus.

        Raises:
            EmbedLabError: no texts, or an index outside them.
        """
        chosen = sorted(set(indices))
        if not chosen:
            raise EmbedLabError("No text would be left; choose at least one.")
        if chosen[0] < 0 or chosen[-1] >= len(self.texts):
            wrong = chosen[0] if chosen[0] < 0 else chosen[-1]
            raise EmbedLabError(
                f"{wrong} is not one of the {len(self.texts):,} texts; indices start at 0."
            )
        kept = frozenset(chosen)
        queries = [q for q, texts in enumerate(self.relevant) if not kept.isdisjoint(texts)]
        part = self._subset(chosen, queries, None)
        note = f"{len(chosen):,} of the {len(self.texts):,} texts of {self.title}."
        return replace(
            part,
            id="own",
            title=title,
            total=len(chosen),
            notes=(note, *self.notes),
            left_out=(),
            part_of=self.title,
        )

    def _subset(self, chosen: list[int], queries: list[int], seed: int | None) -> Corpus:
        new = {old: position for position, old in enumerate(chosen)}
        whole = [p for p, (i, j, _) in enumerate(self.pairs) if i in new and j in new]
        return replace(
            self,
            texts=tuple(self.texts[i] for i in chosen),
            fields={name: tuple(v[i] for i in chosen) for name, v in self.fields.items()},
            columns={name: tuple(v[i] for i in chosen) for name, v in self.columns.items()},
            ids=tuple(self.ids[i] for i in chosen) if self.ids else (),
            rows=tuple(self.rows[i] for i in chosen),
            pairs=tuple((new[i], new[j], s) for i, j, s in (self.pairs[p] for p in whole)),
            pair_groups=tuple(self.pair_groups[p] for p in whole) if self.pair_groups else (),
            queries=tuple(self.queries[q] for q in queries),
            relevant=tuple(renumbered(self.relevant[q], new) for q in queries),
            query_ids=tuple(self.query_ids[q] for q in queries) if self.query_ids else (),
            candidates=tuple(
                frozenset(new[i] for i in self.candidates[q] if i in new) for q in queries
            )
            if self.candidates
            else (),
            prepared={name: given.some(chosen) for name, given in self.prepared.items()},
            seed=seed,
        )


def grades_of(relevant: Relevant) -> dict[int, float]:
    """The grade of each relevant text: 1 where judgements are not graded."""
    return dict(relevant) if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1.0)


def renumbered(relevant: Relevant, new: Mapping[int, int]) -> Relevant:
    """The relevant texts under new numbers; those without one are left out."""
    if isinstance(relevant, Mapping):
        return {new[i]: grade for i, grade in relevant.items() if i in new}
    return frozenset(new[i] for i in relevant if i in new)


def _add_if_it_fits(chosen: set[int], group: Iterable[int], n: int) -> None:
    added = set(group) - chosen
    if len(chosen) + len(added) <= n:
        chosen |= added
