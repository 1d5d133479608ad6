"""Every design on a corpus, row by row, as they are computed: one pass serves all its heads.

:func:`~embedlab.lab.entries.entries_for` says which designs there are. They are taken
pass by pass. The vectors of each stay in the Lab's cache, so that the row can become design A or B
at once; what a table needs of a row besides, its scores, is cached as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from embedlab import gpu
from embedlab.analysis import leaderboard as analysis
from embedlab.analysis import retrieval
from embedlab.analysis.agreement import Agreement
from embedlab.analysis.comparison import Embedded
from embedlab.analysis.leaderboard import LABEL_FREE, MEASURES, Cost, Row, Score
from embedlab.analysis.metrics import TOP_RANKS
from embedlab.data.corpus import Corpus
from embedlab.data.prepared import NoQueryVectors
from embedlab.errors import EmbedLabError
from embedlab.lab.entries import Entry, Request, passes_of, queries_of
from embedlab.lab.lab import Lab, computed
from embedlab.models import yardstick
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.embedding import Vectors
    from embedlab.models.states import HiddenStates
    from embedlab.models.wanted import Wanted


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A leaderboard so far: ``rows`` in the order in which they came.

    ``left_out`` are the designs that cannot be compared here, each with the reason; ``done`` counts
    passes over the texts. The ``agreement`` of all pairs of rows comes with the finished table.
    """

    request: Request
    measures: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    done: int = 0
    seconds: float = 0.0
    agreement: Agreement | None = None
    finished: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """Names the rows and what they were measured on."""
        return (*self.request.key, tuple(row.name for row in self.rows))

    @property
    def first_measure(self) -> str:
        """The measure to rank by where none is chosen."""
        return self.measures[0] if self.measures else next(iter(LABEL_FREE))


def ranking(
    lab: Lab, table: Table, measure: str, progress: Progress = no_progress
) -> analysis.Ranking:
    """A table's rows by a measure, the best first; once all are there, each is compared with it."""
    if not table.finished:
        return analysis.ranking(table.rows, measure, tested=False)
    return _tested(lab, table, measure, progress=progress)


@computed
def _tested(
    lab: Lab, table: Table, measure: str, progress: Progress = no_progress
) -> analysis.Ranking:
    return analysis.ranking(table.rows, measure, progress)


def leaderboard(lab: Lab, request: Request, progress: Progress = no_progress) -> Iterator[Table]:
    """The table of a request, again after every row; the last one is ``finished``.

    What a design gives here is what it gives alone. A design that turns out not to be possible,
    such as a step that cannot be fitted on these texts, is left out with its reason.

    Raises:
        EmbedLabError: it took longer than one piece of work may; the rows so far have been given.
        Cancelled: ``progress`` raised it.
    """
    return _Run(lab, request, lab.in_time(progress)).tables()


class _Passes(NamedTuple):
    """What passes cost: the tokens they read, and their seconds, None where the cache had some."""

    tokens: int
    seconds: float | None


class _Run:
    """One computation of a leaderboard."""

    def __init__(self, lab: Lab, request: Request, progress: Progress) -> None:
        self.lab, self.request, self._progress = lab, request, progress
        corpus = request.corpus
        self.began = time.perf_counter()
        self.agreement = Agreement(len(corpus.texts))
        self.rows: list[Row] = []
        self.left_out = dict(request.left_out)
        self.done: set[tuple[str, str, str]] = set()
        self.measures = analysis.measures_for(corpus, request.field)
        #: Tokens and seconds of the passes that were made just now.
        self.read, self.took = 0, 0.0

    def tables(self) -> Iterator[Table]:
        if gpu.LENT:  # one action is one call
            entries = [each for each in self.request.entries if not self._pooled([each])]
            self.lab.together([w for each in entries for w in self._wanted(each)], self.report)
        for group in self.request.groups:
            yield from self._group(group)
        if self.request.yardstick:
            self.report(0, 0, yardstick.NAME)
            self._add_yardstick()
            yield self._table()
        yield self._table(finished=True)

    def report(self, done: int, total: int, what: str) -> None:
        """Progress in passes, with what is done within the one under way."""
        within = f"{what} {done:,} of {total:,}" if total else what
        count = f"{len(self.rows)} of {self.request.size} rows"
        self._progress(len(self.done), self.request.passes, f"{count} · {within}")

    def _group(self, group: Sequence[Entry]) -> Iterator[Table]:
        """The designs that read the same passes."""
        key = ("passes", group[0].passes, self.request.corpus.fingerprint)
        known: _Passes | None = self.lab.results.get(key)
        held: Mapping[str, HiddenStates] = {}
        if not group[0].passes:
            known = _Passes(0, None)  # vectors from files
        elif known is None or not self._pooled(group):
            held, made = self._states(group)
            # A pass is timed once, when it is made.
            known = self.lab.results.put(key, known if known and known.seconds else made)
        self.done |= set(group[0].passes)
        for entry in group:
            self.report(0, 0, entry.name)
            try:
                self._add(entry, held, known)
            except EmbedLabError as error:
                self.report(0, 0, entry.name)  # raises again where the time is up
                self.left_out[entry.name] = str(error)
            yield self._table()

    def _pooled(self, group: Sequence[Entry]) -> bool:
        """Whether the vectors of all of these are there already."""
        corpus = self.request.corpus
        return all(self.lab.has_vectors(corpus, each.design, each.backbone) for each in group)

    def _states(self, group: Sequence[Entry]) -> tuple[Mapping[str, HiddenStates], _Passes]:
        """The states that a group reads, by template, and what its passes cost.

        Of an ensemble nothing is held, which would be several passes at once; the cache has them.
        """
        corpus = self.request.corpus
        single = len(set(group[0].passes)) == 1
        wanted = list({tuple(w.keys): w for e in group for w in self._wanted(e)}.values())
        # Looked up before the clock starts: states may have to be read from the disk.
        whole = [w.backbone.cache.get(key) is None for w in wanted for key in set(w.keys)]
        began, held, tokens = time.perf_counter(), {}, 0
        for each in wanted:
            [states] = self.lab.together([each], self.report)
            if each.texts is corpus.texts:
                tokens += int(states.token_counts.sum())
                if single:
                    held[each.template.key] = states
        seconds = time.perf_counter() - began
        if all(whole):
            self.read, self.took = self.read + tokens, self.took + seconds
        return held, _Passes(tokens, seconds if all(whole) else None)

    def _add(self, entry: Entry, held: Mapping[str, HiddenStates], passes: _Passes) -> None:
        request, tokens, seconds = self.request, passes.tokens, passes.seconds
        began = time.perf_counter()
        states_of = (lambda template: held[template.key]) if held else None
        embedded = entry.embedded(self.lab, request.corpus, self.report, states_of)
        pooling = time.perf_counter() - began
        estimated = seconds is None and self.read > 0 and tokens > 0
        if estimated:
            seconds = tokens * self.took / self.read
        measures = tuple(self.measures)
        scores, note = _scores(
            self.lab, embedded, measures, request.field, request.seed, self.report
        )
        untrained = entry.design.trainable and not entry.backbone.head(entry.design).trained
        row = Row(
            name=entry.name,
            design=str(entry.design),
            model=entry.model,
            scores=scores,
            cost=Cost(
                passes=len(set(entry.passes)),
                tokens=tokens,
                dimension=embedded.vectors.shape[1],
                seconds=None if seconds is None else seconds + pooling,
                estimated=estimated,
            ),
            untrained=untrained,
            note=note,
        )
        self._keep(row, embedded.vectors, self.lab.neighbours(embedded, progress=self.report))

    def _add_yardstick(self) -> None:
        request = self.request
        key = ("yardstick", *request.corpus.key, tuple(self.measures))
        vectors, queries, cost = self.lab.compute(
            key, lambda report: _measured(request.corpus, self.measures), self.report
        )
        near = retrieval.neighbours(vectors, TOP_RANKS)
        scores, note = _scored(
            request.corpus, self.measures, vectors, queries, near, request.field, request.seed
        )
        row = Row(name=yardstick.NAME, scores=scores, cost=cost, note=note)
        self._keep(row, vectors, near)

    def _keep(self, row: Row, vectors: Vectors, near: retrieval.Neighbours) -> None:
        self.rows.append(row)
        self.agreement.add(row.name, vectors, near.ids[:, :TOP_RANKS])

    def _wanted(self, entry: Entry) -> list[Wanted]:
        corpus = self.request.corpus
        return [*passes_of(self.lab, corpus, entry), *queries_of(corpus, entry)]

    def _table(self, *, finished: bool = False) -> Table:
        return Table(
            request=self.request,
            measures=tuple(self.measures),
            rows=tuple(self.rows),
            left_out=tuple(self.left_out.items()),
            done=len(self.done),
            seconds=time.perf_counter() - self.began,
            agreement=self.agreement if finished else None,
            finished=finished,
        )


@computed
def _scores(
    lab: Lab,
    embedded: Embedded,
    measures: tuple[str, ...],
    field: str,
    seed: int,
    progress: Progress = no_progress,
) -> tuple[dict[str, Score], str]:
    """A design's scores by each measure, and why some are missing."""
    queries = None
    if "ndcg_10" in measures:
        with suppress(NoQueryVectors):
            queries = lab.query_vectors(embedded, progress)
    near = lab.neighbours(embedded, progress=progress)
    return _scored(embedded.corpus, measures, embedded.vectors, queries, near, field, seed)


def _scored(
    corpus: Corpus,
    measures: Sequence[str],
    vectors: Vectors,
    queries: Vectors | None,
    near: retrieval.Neighbours,
    field: str,
    seed: int,
) -> tuple[dict[str, Score], str]:
    scores, notes = {}, []
    for measure in measures:
        if measure == "ndcg_10" and queries is None:
            notes.append(f"no {MEASURES[measure]}, because its file has no vectors of the queries")
            continue
        try:
            scores[measure] = analysis.score(measure, corpus, vectors, queries, field, near, seed)
        except EmbedLabError as error:
            notes.append(f"no {MEASURES[measure]}, because {str(error).rstrip('.')}")
    return scores, "; ".join(notes)


def _measured(corpus: Corpus, measures: Sequence[str]) -> tuple[Vectors, Vectors | None, Cost]:
    """The yardstick's vectors of the texts and of the queries, and what they cost."""
    dimension = yardstick.dimension()  # loads the model, which is no part of the cost
    began = time.perf_counter()
    vectors = yardstick.vectors(corpus.texts)
    seconds = time.perf_counter() - began
    queries = yardstick.vectors(corpus.queries) if "ndcg_10" in measures else None
    tokens = yardstick.token_count(corpus.texts)
    return vectors, queries, Cost(passes=1, tokens=tokens, dimension=dimension, seconds=seconds)
