"""What a task is measured on: a fixed sample of its corpus, with pairs, queries or candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from embedlab.data.corpus import Corpus, renumbered
from embedlab.errors import EmbedLabError

if TYPE_CHECKING:
    from embedlab.analysis.tasks import Task

#: Human scores from and up to which two texts belong together, and do not; between them a pair is
#: left out. STS-B's scale: 4 is "the same but for details", 1 "on the same topic, no more".
ALIKE, DIFFERENT = 4.0, 1.0

Pair = tuple[int, int, float]


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Which texts, pairs (with the groups they belong to) and queries of a corpus are taken."""

    texts: frozenset[int] = frozenset()
    pairs: Sequence[Pair] = ()
    groups: tuple[str, ...] = ()
    queries: Sequence[int] = ()
    candidates: tuple[frozenset[int], ...] = ()


def sample(task: Task, corpus: Corpus) -> Corpus:
    """The part of a corpus that the task is measured on.

    Raises:
        EmbedLabError: the corpus lacks what the task needs.
    """
    part = _PARTS[task.category](task, corpus)
    texts = part.texts | {i for *both, _ in part.pairs for i in both}
    by_label = task.category in ("Classification", "Clustering")
    if not texts or (by_label and task.field not in corpus.fields):
        raise EmbedLabError(
            f"{corpus.title[:60]!r} does not know enough for the {task.category} task "
            f"{task.id[:60]!r}; choose another corpus."
        )
    order = sorted(texts)
    new = {old: position for position, old in enumerate(order)}
    return replace(
        corpus,
        texts=tuple(_opening(corpus.texts[i], task.words) for i in order),
        fields={name: tuple(values[i] for i in order) for name, values in corpus.fields.items()},
        ids=tuple(corpus.ids[i] for i in order) if corpus.ids else (),
        rows=tuple(corpus.rows[i] for i in order),
        pairs=tuple((new[i], new[j], gold) for i, j, gold in part.pairs),
        pair_groups=part.groups,
        queries=tuple(corpus.queries[q] for q in part.queries),
        relevant=tuple(renumbered(corpus.relevant[q], new) for q in part.queries),
        query_ids=tuple(corpus.query_ids[q] for q in part.queries) if corpus.query_ids else (),
        candidates=tuple(frozenset(new[i] for i in one) for one in part.candidates),
        seed=task.seed,
    )


def _sts(task: Task, corpus: Corpus) -> _Part:
    return _Part(pairs=_scored(task, corpus)[: task.size or None])


def _labelled(task: Task, corpus: Corpus) -> _Part:
    order = np.random.default_rng(task.seed).permutation(len(corpus.texts))
    return _Part(texts=frozenset(order[: task.size or None].tolist()))


def _retrieval(task: Task, corpus: Corpus) -> _Part:
    rng = np.random.default_rng(task.seed)
    queries = _judged(task, corpus, rng)
    texts = {i for q in queries for i in corpus.relevant[q]}
    if texts:
        others = [i for i in rng.permutation(len(corpus.texts)).tolist() if i not in texts]
        texts.update(others[: max(0, (task.size or len(corpus.texts)) - len(texts))])
    return _Part(texts=frozenset(texts), queries=queries)


def _reranking(task: Task, corpus: Corpus) -> _Part:
    """Each query's candidates: what is relevant, and ``others`` that share most words with it.

    Texts drawn at random would be told apart by any design. tf-idf knows none of the designs that
    are compared, and so favours none; ties go by the texts' numbers.
    """
    queries = _judged(task, corpus, np.random.default_rng(task.seed))
    if not queries:
        return _Part()
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True)
    documents = words.fit_transform(corpus.texts)
    asked = words.transform([corpus.queries[q] for q in queries])
    candidates = []
    for q, row in zip(queries, (asked @ documents.T).toarray(), strict=True):
        nearest = np.argsort(-np.round(row, 9), kind="stable")[
            : task.others + len(corpus.relevant[q])
        ]
        others = [i for i in nearest.tolist() if i not in corpus.relevant[q]][: task.others]
        candidates.append(frozenset(corpus.relevant[q]) | frozenset(others))
    texts = frozenset[int]().union(*candidates)
    return _Part(texts=texts, queries=queries, candidates=tuple(candidates))


def _pair_classification(task: Task, corpus: Corpus) -> _Part:
    """Pairs of texts that belong together (1) and that do not (0), half of ``size`` of each."""
    pairs = _of_labels(task, corpus) if task.field else _extremes(task, corpus)
    kept = dict.fromkeys((1.0, 0.0), len(pairs) if not task.size else -(-task.size // 2))
    chosen: list[Pair] = []
    for pair in pairs:
        if kept[pair[2]]:
            kept[pair[2]] -= 1
            chosen.append(pair)
    one_label = len({label for *_, label in chosen}) < 2
    return _Part() if one_label else _Part(pairs=chosen)


def _extremes(task: Task, corpus: Corpus) -> list[Pair]:
    """The scored pairs from :data:`ALIKE` up and :data:`DIFFERENT` down."""
    return [
        (i, j, float(score >= ALIKE))
        for i, j, score in _scored(task, corpus)
        if score >= ALIKE or score <= DIFFERENT
    ]


def _of_labels(task: Task, corpus: Corpus) -> list[Pair]:
    """Pairs with the same label in ``field`` and with two labels, all of one value of ``within``.

    Every text is in at most one pair: pairs that share texts would not be independent. Of the texts
    of a label, every second two are a pair, and the others meet those of the next label.
    """
    if not {task.field, task.within} <= corpus.fields.keys():
        return []
    rng = np.random.default_rng(task.seed)
    labels, places = corpus.fields[task.field], corpus.fields[task.within]
    pairs: list[Pair] = []
    for place in dict.fromkeys(places):
        inside = [i for i in rng.permutation(len(places)).tolist() if places[i] == place]
        apart: list[list[int]] = []
        for label in dict.fromkeys(sorted(labels[i] for i in inside)):
            members = [i for i in inside if labels[i] == label]
            twos = [(members[k], members[k + 1]) for k in range(0, len(members) - 1, 2)]
            pairs += [(i, j, 1.0) for i, j in twos[::2]]
            apart.append([i for two in twos[1::2] for i in two])
        for one, other in zip(apart[::2], apart[1::2], strict=False):
            pairs += [(i, j, 0.0) for i, j in zip(one, other, strict=False)]
    return [pairs[k] for k in rng.permutation(len(pairs)).tolist()]


def _summarisation(task: Task, corpus: Corpus) -> _Part:
    """All of the first ``size`` groups of pairs: whatever has the group as its ``field``."""
    groups = list(dict.fromkeys(corpus.pair_groups))[: task.size or None]
    if task.field not in corpus.fields:
        return _Part()
    chosen = [
        (pair, group)
        for pair, group in zip(corpus.pairs, corpus.pair_groups, strict=True)
        if group in groups
    ]
    texts = (i for i, value in enumerate(corpus.fields[task.field]) if value in groups)
    pairs, of = zip(*chosen, strict=True) if chosen else ((), ())
    return _Part(texts=frozenset(texts), pairs=pairs, groups=of)


_PARTS = {
    "STS": _sts,
    "Retrieval": _retrieval,
    "Classification": _labelled,
    "Clustering": _labelled,
    "PairClassification": _pair_classification,
    "Reranking": _reranking,
    "Summarization": _summarisation,
}


def _scored(task: Task, corpus: Corpus) -> list[Pair]:
    """The pairs of a task's group: of one part of the corpus, or of all parts of a source."""
    groups = corpus.pair_groups or ("",) * len(corpus.pairs)
    return [
        pair
        for pair, group in zip(corpus.pairs, groups, strict=True)
        if task.group in ("", group, group.partition(" ")[0])
    ]


def _judged(task: Task, corpus: Corpus, rng: np.random.Generator) -> list[int]:
    """``queries`` queries that have relevant texts, drawn and in their order."""
    judged = [q for q, texts in enumerate(corpus.relevant) if texts]
    return sorted(rng.permutation(judged)[: task.queries or None].tolist())


def _opening(text: str, words: int) -> str:
    return " ".join(text.split()[:words]) if words else text
