"""Which colourings a corpus has under two designs, and each of them, computed once.

A colouring has a key, which the page's dropdowns hold: ``label sense``, ``column price``,
``numbers stars``, ``tokens``, ``cut``, ``overlap``, ``hubs A``, ``near B``, ``query A`` or
``cluster B``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedlab.analysis import colouring as colours
from embedlab.analysis.clusters import FINE, Clustering
from embedlab.analysis.colouring import Colouring, Float64Array, Int64Array
from embedlab.analysis.comparison import NEAREST, Embedded
from embedlab.data.corpus import Corpus
from embedlab.data.prepared import NoQueryVectors
from embedlab.errors import EmbedLabError
from embedlab.lab import views
from embedlab.lab.clusters import clusters
from embedlab.lab.lab import Lab, computed
from embedlab.progress import Progress, no_progress

LABEL, COLUMN, NUMBERS = "label ", "column ", "numbers "
TOKENS, CUT, OVERLAP = "tokens", "cut", "overlap"
#: The clusters of a view that sets nothing.
PROPOSED = Clustering()
HUBS, NEAR, QUERY, CLUSTER = "hubs ", "near ", "query ", "cluster "


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """What some colourings need besides the two designs.

    Args:
        selected: the index of the selected text, for the similarity to it.
        query: the words of the last query, for the similarity to it.
        clustering: how the texts are clustered, and at which level.
    """

    selected: int | None = None
    query: str = ""
    clustering: Clustering = PROPOSED
    level: str = FINE


def offered(lab: Lab, a: Embedded, b: Embedded, progress: Progress = no_progress) -> dict[str, str]:
    """The keys of the colourings that there are, with their titles; labels come first."""
    corpus = a.corpus
    titles = {LABEL + name: name for name in corpus.fields}
    titles |= {CLUSTER + letter: f"Clusters of {letter}" for letter in "AB"}
    for name in (*corpus.fields, *corpus.columns):
        column = column_colouring(lab, corpus, name, progress)
        if column is None or (name in corpus.fields and column.kind == "categories"):
            continue
        if name in corpus.fields:
            titles[NUMBERS + name] = f"{name}, as numbers"
        else:
            titles[COLUMN + name] = name
    one = a.backbone is b.backbone
    for key, title in ((TOKENS, "Length in tokens"), (CUT, "Truncated")):
        letters = [""] if one or a.backbone.key == b.backbone.key else ["A", "B"]
        # Vectors from a file know no tokens.
        letters = [each for each in letters if not (b if each == "B" else a).design.file]
        titles |= {
            f"{key} {letter}".strip(): f"{title} under {letter}" if letter else title
            for letter in letters
        }
    titles[OVERLAP] = "Overlap of the neighbourhoods under A and B"
    for start, title in (
        (HUBS, "Hubness under"),
        (NEAR, "Similarity to the selected text, under"),
        (QUERY, "Similarity to the query, under"),
    ):
        titles |= {start + letter: f"{title} {letter}" for letter in "AB"}
    return titles


def first_key(corpus: Corpus) -> str:
    """What a corpus is coloured by at first: its first label, else the clusters of B."""
    return LABEL + next(iter(corpus.fields)) if corpus.fields else CLUSTER + "B"


def measured_under(key: str, names: tuple[str, str], title: str) -> str:
    """A colouring's title with the names of the designs that it was measured under."""
    if key == OVERLAP:
        return f"{title} ({names[0]} and {names[1]})"
    if key[-2:] in (" A", " B") and not key.startswith((LABEL, COLUMN, NUMBERS)):
        return f"{title} ({names[key.endswith('B')]})"
    return title


def colouring(
    lab: Lab,
    key: str,
    a: Embedded,
    b: Embedded,
    context: Context,
    progress: Progress = no_progress,
) -> Colouring:
    """One of the colourings of a corpus.

    Where what it needs is not there yet, such as a selected text, no text has a colour and the note
    says what to do.

    Raises:
        EmbedLabError: there is no such colouring.
    """
    corpus = a.corpus
    side = b if key.endswith(" B") else a
    title = offered(lab, a, b, progress).get(key)
    if title is None:
        raise EmbedLabError(
            f"The texts cannot be coloured by {key[:60]!r} any more; choose something else."
        )
    if key.startswith(LABEL):
        return colours.by_categories(title, corpus.fields[key.removeprefix(LABEL)])
    for start in (COLUMN, NUMBERS):
        if key.startswith(start):
            column = column_colouring(lab, corpus, key.removeprefix(start), progress)
            assert column is not None  # or it would not be offered
            return colours.renamed(column, title)
    if key.startswith(CLUSTER):
        of_side = clusters(lab, side, context.clustering, progress).at(context.level)
        return colours.by_codes(title, of_side.labels, of_side.names, of_side.note)
    if key.startswith(QUERY) and not context.query.strip():
        note = "There is no query yet; search on the map or in the Retrieve tab."
        return colours.by_numbers(title, _none(corpus), note)
    if key.startswith(NEAR) and context.selected is None:
        note = "No text is selected; click one, and the colours show what is similar to it."
        return colours.by_numbers(title, _none(corpus), note)
    return _measured(lab, key, title, side, (a, b), context, progress)


def _measured(
    lab: Lab,
    key: str,
    title: str,
    side: Embedded,
    sides: tuple[Embedded, Embedded],
    context: Context,
    progress: Progress,
) -> Colouring:
    """What the designs make of the texts: lengths, neighbourhoods, similarities."""
    if key.startswith(TOKENS):
        note = f"Tokens of the text alone, by the tokenizer of {side.backbone.name}."
        return colours.by_numbers(title, token_counts(lab, side, progress), note)
    if key.startswith(CUT):
        names = ("whole", f"cut to {side.backbone.max_length:,} tokens")
        # A template takes room, so one design may cut a text that another leaves whole.
        cut = np.logical_or(*(s.cut for s in sides)) if key == CUT else side.cut
        return colours.by_codes(title, cut.astype(np.int64), names)
    if key == OVERLAP:
        overlap = views.changed_neighbourhoods(lab, *sides, progress).overlap
        note = f"Jaccard@{NEAREST} of each text's nearest texts under A and under B: 1 is the same."
        return colours.by_numbers(title, overlap, note)
    if key.startswith(HUBS):
        note = f"How many texts have this one among their nearest {NEAREST}."
        return colours.by_numbers(title, occurrences(lab, side, progress), note)
    if key.startswith(NEAR):
        assert context.selected is not None
        return colours.by_numbers(title, 100 * _cosines(side, context.selected), "Cosine ×100.")
    try:
        similar = query_similarity(lab, side, context.query, progress)
    except NoQueryVectors as error:
        return colours.by_numbers(title, _none(side.corpus), str(error))
    return colours.by_numbers(title, similar, f"Cosine ×100 with “{context.query[:60]}”.")


@computed
def column_colouring(
    lab: Lab, corpus: Corpus, name: str, progress: Progress = no_progress
) -> Colouring | None:
    """A label or another column of a corpus as its cells are: numbers, categories, or neither."""
    cells = corpus.fields[name] if name in corpus.fields else corpus.columns[name]
    return colours.by_column(name, cells)


def token_counts(lab: Lab, side: Embedded, progress: Progress = no_progress) -> Int64Array:
    """How many tokens each text has (n,), without what a template or the tokenizer adds."""
    corpus, backbone = side.corpus, side.backbone

    def work(report: Progress) -> Int64Array:
        ids = backbone.tokenised(corpus.texts, add_special_tokens=False)["input_ids"]
        return np.array([len(row) for row in ids], np.int64)

    return lab.compute(("tokens", backbone.key, corpus.fingerprint), work, progress)


@computed
def occurrences(lab: Lab, embedded: Embedded, progress: Progress = no_progress) -> Int64Array:
    """N_k of each text (n,): how many others have it among their ten nearest.

    Radovanović et al., JMLR 2010.
    """
    near = lab.neighbours(embedded, NEAREST, progress).ids[:, :NEAREST]
    return np.bincount(near.ravel(), minlength=len(embedded)).astype(np.int64)


@computed
def query_similarity(
    lab: Lab, embedded: Embedded, query: str, progress: Progress = no_progress
) -> Float64Array:
    """Cosine ×100 (n,) of each text with a query, which stands in the design's query prompt."""
    vector = lab.embed_queries([query], embedded, progress)[0].astype(np.float64)
    return np.asarray(100 * (embedded.vectors.astype(np.float64) @ vector), np.float64)


def _cosines(embedded: Embedded, index: int) -> Float64Array:
    """The cosine (n,) of every text with one of them."""
    vectors = embedded.vectors.astype(np.float64)
    cosines: Float64Array = vectors @ vectors[index]
    return cosines


def _none(corpus: Corpus) -> Float64Array:
    return np.full(len(corpus.texts), np.nan)
