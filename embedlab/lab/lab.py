"""The Lab: the config, the loaded backbones and the cached results of one deployment.

torch is imported by the first work that needs it: the page has to come without.

The interface, the endpoints and the command line all go through it. No state in it belongs to one
user: a request names its backbone, corpus and designs, and its result does not depend on others.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial, wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from embedlab import assets, gpu
from embedlab.analysis import index, metrics, projection, retrieval
from embedlab.analysis.comparison import NEAREST, Embedded, Hit, Maps, ranked_lists
from embedlab.data import corpora
from embedlab.data.corpus import Corpus
from embedlab.data.prepared import NoQueryVectors
from embedlab.errors import EmbedLabError, check_known
from embedlab.lab.backbones import Backbones
from embedlab.lab.cache import LruCache, size_in_bytes
from embedlab.lab.classes import Classes
from embedlab.lab.config import Config
from embedlab.lab.jobs import Jobs
from embedlab.lab.prepared_views import PreparedViews
from embedlab.lab.run import PREFIX
from embedlab.lab.run_queue import RunQueue
from embedlab.models.design import FILE, Design
from embedlab.models.state_cache import StateCache
from embedlab.progress import Progress, no_progress, with_time_limit

if TYPE_CHECKING:
    from pathlib import Path

    from embedlab.analysis.index import Index
    from embedlab.models.backbone import Backbone
    from embedlab.models.embedding import StatesOf, Vectors
    from embedlab.models.no_backbone import AwaitedBackbone
    from embedlab.models.states import HiddenStates
    from embedlab.models.steps import FittedSteps
    from embedlab.models.template import Template
    from embedlab.models.wanted import Wanted

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
_MISSING = object()


def computed(function: F) -> F:
    """A function or method ``(lab, …, progress)`` that goes through :meth:`Lab.compute`.

    The function and its arguments are the key; of an :class:`Embedded` and the like, their
    own ``key``. What it returns must not change afterwards.
    """
    parameters = signature(function)

    @wraps(function)
    def once(*args: Any, **options: Any) -> Any:
        call = parameters.bind(*args, **options)
        call.apply_defaults()
        progress = call.arguments.pop("progress")
        lab, *rest = call.arguments.values()
        key = (function, *(getattr(value, "key", value) for value in rest))
        work = partial(function, *call.args, **call.kwargs)
        return lab.compute(key, lambda report: work(progress=report), progress)

    return cast(F, once)


class Lab:
    """One deployment: its config, the loaded backbones, the trainings and the cached results."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        limits = self.config.limits
        disk = assets.cache_folder() / "states" if limits.state_disk_mb else None
        self.states = StateCache(limits.state_cache_mb * 10**6, disk, limits.state_disk_mb * 10**6)
        self.jobs = Jobs()
        self.backbones = Backbones(self.config, self.states, self.jobs)
        #: What can be shown without a pass, before its backbone is loaded.
        self.prepared_views = PreparedViews(self.config)
        #: The untrained backbones in memory, by id.
        self.models = self.backbones.loaded
        self.results: LruCache[Any] = LruCache(limits.vectors_mb * 10**6, size_in_bytes)
        self.runs = RunQueue(self.untrained, limits)
        #: Where search indexes are kept; None to have them in memory alone.
        self.index_folder: Path | None = None
        #: The rooms that predict together; nothing else in the Lab belongs to anybody.
        self.classes = Classes()

    def compute(
        self, key: Hashable, work: Callable[[Progress], T], progress: Progress = no_progress
    ) -> T:
        """The result of ``work``, from the cache, or computed once for all callers.

        The work runs in a separate thread. Calls with the same key share it while it runs, and it
        stops at its next report of progress once every caller has left.

        Args:
            key: names the result; the same key must always mean the same result.
            work: computes it from scratch. Its result must not change afterwards.
            progress: receives the work's progress; may raise to leave without stopping the others.

        Raises:
            EmbedLabError: it took longer than ``limits.max_work_minutes``.
            Exception: whatever ``work`` raised; errors are not cached.
        """

        def once(report: Progress) -> T:
            # Another job may have finished after this caller read the cache.
            result: T = self.results.get(key, _MISSING)
            return self.results.put(key, work(report)) if result is _MISSING else result

        cached: T = self.results.get(key, _MISSING)
        return self.jobs.run(key, once, self.in_time(progress)) if cached is _MISSING else cached

    def in_time(self, progress: Progress) -> Progress:
        """``progress`` with this deployment's time limit for one piece of work."""
        return with_time_limit(60 * self.config.limits.max_work_minutes, progress)

    # Backbones and corpora

    @property
    def default_backbone(self) -> str:
        """The id of the backbone the config names, or of the one ``auto`` means on this machine."""
        return self.backbones.default

    def backbone(self, backbone_id: str = "", progress: Progress = no_progress) -> Backbone:
        """The default backbone, one of the config by its id, a trained design's or a run's."""
        if str(backbone_id).startswith(PREFIX):
            return self.runs.model(backbone_id).backbone
        if self.backbones.is_trained(backbone_id):
            return self.backbones.trained(backbone_id, progress)
        return self.untrained(backbone_id or self.default_backbone, progress)

    def untrained(self, backbone_id: str, progress: Progress = no_progress) -> Backbone:
        """A backbone of the config, loaded once for all callers."""
        return self.backbones.get(backbone_id, progress)

    def prepare(
        self,
        sides: Sequence[tuple[Corpus, Design, str]],
        queries: Sequence[str] = (),
        progress: Progress = no_progress,
    ) -> None:
        """Where a GPU is lent by the call, make all passes that an action needs in one call.

        Elsewhere nothing: there each is made when it is needed.

        Args:
            sides: the corpora with the designs and the ids of the backbones they are embedded with.
            queries: texts that are embedded with each side's query prompt.
        """
        if not gpu.LENT:
            return
        wanted: list[Wanted] = []
        for corpus, design, backbone_id in sides:
            if design.file:
                continue
            self.check(corpus.texts, design)
            self.check(queries, design)
            backbone = self.backbone(backbone_id, progress)
            backbone.check(design)
            asked = list(queries)
            if not self.has_vectors(corpus, design, backbone):
                for template in design.templates(query=False):
                    wanted.append(self.wanted(corpus, backbone, design.mode, template))
                asked += corpus.queries
            if asked:
                wanted += wanted_queries(asked, design, backbone)
        self.together(wanted, progress)

    def together(
        self, wanted: Sequence[Wanted], progress: Progress = no_progress
    ) -> list[HiddenStates]:
        """Hidden states all at once; afterwards the cache has them, as far as they fit into it."""
        from embedlab.models.wanted import compute_states

        if not wanted:
            return []
        key = ("states", *(key for each in wanted for key in each.keys))
        return self.jobs.run(
            key, lambda report: compute_states(wanted, report), self.in_time(progress)
        )

    def corpus(
        self, corpus_id: str, n: int | None = None, seed: int = 0, progress: Progress = no_progress
    ) -> Corpus:
        """A built-in corpus, sampled to n texts."""
        return self.sample(self.whole(corpus_id, progress), n, seed)

    def whole(self, corpus_id: str, progress: Progress = no_progress) -> Corpus:
        """A built-in corpus with all its texts.

        Raises:
            EmbedLabError: this deployment does not offer it.
        """
        check_known(corpus_id, "a corpus offered here", self.config.corpora)
        return self.jobs.run(
            ("corpus", corpus_id), lambda report: corpora.load_corpus(corpus_id, report), progress
        )

    def sample(self, corpus: Corpus, n: int | None, seed: int) -> Corpus:
        """n texts of a corpus; by default as many as its first view shows.

        Raises:
            EmbedLabError: n is out of range.
        """
        size = self.first_sample(corpus) if n is None else int(n)
        most = self.most_texts(corpus)
        if size < 1:
            raise EmbedLabError(f"A sample of {size} shows nothing; ask for at least 1 text.")
        if min(size, len(corpus.texts)) > most:
            raise EmbedLabError(
                f"{size:,} texts were asked for; this deployment embeds up to {most:,} at once "
                "(limits.max_texts in spaces_config.yaml)."
            )
        return corpus if size >= len(corpus.texts) else corpus.sample(size, seed)

    def most_texts(self, corpus: Corpus) -> int:
        """How many texts of a corpus can be shown at once: all where vectors are at hand.

        What a model embeds at once is bounded by its speed, what a file brings by the memory it
        takes, which was checked as it was read.
        """
        n = len(corpus.texts)
        return n if corpus.prepared else min(n, self.config.limits.max_texts)

    def first_sample(self, corpus: Corpus) -> int:
        """How many texts of a corpus to start with: few where they are long."""
        defaults = self.config.defaults
        average = sum(map(len, corpus.texts)) / len(corpus.texts)
        return min(
            len(corpus.texts), defaults.sample, max(20, int(defaults.sample_chars / average))
        )

    # Vectors

    def at_once(self, corpus: Corpus, design: Design, backbone_id: str = "") -> Embedded | None:
        """A corpus under a design where its vectors are at hand, without a pass or a model.

        These are vectors from a file, or the prepared ones: as long as the backbone is not loaded
        something stands for it, and whatever needs it raises
        :class:`~embedlab.errors.NeedsModel`.

        Raises:
            EmbedLabError: a design that names vectors that this corpus does not have.
        """
        if design.file:
            return self.prepared(corpus, design)
        name = backbone_id or self.default_backbone
        return self.prepared_views.embedded(corpus, design, name, self.models.get(name))

    def described(
        self, backbone_id: str = "", progress: Progress = no_progress
    ) -> Backbone | AwaitedBackbone:
        """A backbone, or what stands for it until it is loaded: enough for its layers' number."""
        name = backbone_id or self.default_backbone
        standing = None if self.models.get(name) else self.prepared_views.stand_in(name)
        return standing or self.backbone(name, progress)

    def check(self, texts: Sequence[str], design: Design) -> None:
        """Check texts and prompts against the limits of this deployment.

        Raises:
            EmbedLabError: too many texts, or a text or a prompt that is too long.
        """
        limits = self.config.limits
        if len(texts) > limits.max_texts:
            raise EmbedLabError(
                f"{len(texts):,} texts are more than the {limits.max_texts:,} this deployment "
                "embeds at once; send fewer, or raise limits.max_texts in spaces_config.yaml."
            )
        for number, text in enumerate(texts, start=1):
            if len(text) > limits.max_text_chars:
                raise EmbedLabError(
                    f"Text {number} has {len(text):,} characters; the limit is "
                    f"{limits.max_text_chars:,}. Split it."
                )
        for prompt in (design.query_prompt, design.document_prompt):
            if len(prompt) > limits.max_prompt_chars:
                raise EmbedLabError(
                    f"The prompt has {len(prompt):,} characters; the limit is "
                    f"{limits.max_prompt_chars}. Shorten it."
                )

    def states_of(
        self,
        corpus: Corpus,
        backbone: Backbone,
        attention: str,
        template: Template,
        progress: Progress,
    ) -> HiddenStates:
        """The hidden states of a corpus's texts under an attention mode, inside a template."""
        from embedlab.models.wanted import compute_states

        return compute_states([self.wanted(corpus, backbone, attention, template)], progress)[0]

    def wanted(
        self, corpus: Corpus, backbone: Backbone, attention: str, template: Template
    ) -> Wanted:
        """The states of a corpus's texts, as they are asked for.

        The disk never stores those of a user's own texts, nor those of a trained model.
        """
        from embedlab.models.wanted import Wanted

        persist = corpus.id in self.config.corpora and backbone.adapter is None
        return Wanted(backbone, corpus.texts, attention, template, persist=persist)

    def embedded(
        self,
        corpus: Corpus,
        design: Design,
        backbone_id: str = "",
        progress: Progress = no_progress,
    ) -> Embedded:
        """A corpus under a design.

        Raises:
            EmbedLabError: too many texts, a text that is too long or empty, or a design that does
                not fit this backbone, or names vectors that this corpus does not have.
        """
        if design.file:
            return self.prepared(corpus, design)
        return self.embedded_on(corpus, design, self.backbone(backbone_id, progress), progress)

    def prepared(self, corpus: Corpus, design: Design) -> Embedded:
        """A corpus under vectors from a file, which nothing is computed for.

        Raises:
            EmbedLabError: this corpus has none of that name.
        """
        from embedlab.models.no_backbone import NoBackbone

        vectors = corpus.prepared.get(design.file)
        if vectors is None:
            there = ", ".join(f"{FILE} {name}" for name in corpus.prepared)
            raise EmbedLabError(
                f"{corpus.title!r} has no vectors of the name '{design}'"
                f"{f'; it has {there}' if there else ''}. Vectors belong to the texts that they "
                "were made of: give their file again, or choose another design."
            )
        # It says of itself what views ask a backbone for, and refuses all else in a sentence.
        source = cast(
            "Backbone", NoBackbone(vectors.name, vectors.vectors.shape[1], vectors.version)
        )
        cut = np.zeros(len(corpus.texts), bool)
        return Embedded(corpus, design, source, vectors.vectors, cut)

    def embedded_on(
        self,
        corpus: Corpus,
        design: Design,
        backbone: Backbone,
        progress: Progress = no_progress,
        states_of: StatesOf | None = None,
    ) -> Embedded:
        """A corpus under a design on a backbone that is loaded; as :meth:`embedded`.

        ``states_of`` gives hidden states that are at hand, by default those of the cache, or of
        passes for what it does not have.
        """
        self.check(corpus.texts, design)
        backbone.check(design)

        def work(report: Progress) -> tuple[Vectors, NDArray[np.bool_], FittedSteps]:
            from embedlab.models.embedding import pool_templates, stepped

            def cached(template: Template) -> HiddenStates:
                return self.states_of(corpus, backbone, design.mode, template, report)

            pooled, cut = pool_templates(states_of or cached, design, backbone, progress=report)
            source = f"{corpus.title}, {len(corpus.texts):,} texts"
            vectors, steps = stepped(pooled, design, backbone, source=source)
            return vectors, cut, steps

        key = _vectors_key(corpus, design, backbone)
        return Embedded(corpus, design, backbone, *self.compute(key, work, progress))

    def has_vectors(self, corpus: Corpus, design: Design, backbone: Backbone) -> bool:
        """Whether a corpus's vectors under a design are in the cache."""
        return self.results.get(_vectors_key(corpus, design, backbone), _MISSING) is not _MISSING

    def embed_queries(
        self, queries: Sequence[str], embedded: Embedded, progress: Progress = no_progress
    ) -> Vectors:
        """The vectors (q, d) of queries to a corpus, under its design's query prompt.

        Raises:
            EmbedLabError: as :meth:`embedded`.
            NoQueryVectors: the corpus's vectors are from a file that has none of these queries.
            NeedsModel: they are prepared, these queries are not, and the backbone is not loaded.
        """
        design, backbone = embedded.design, embedded.backbone
        if design.file:
            return embedded.corpus.prepared[design.file].of_queries(queries)
        if embedded.shipped is not None and embedded.shipped.knows(queries):
            return embedded.shipped.of_queries(queries)
        from embedlab.models.embedding import embed

        self.check(queries, design)
        report = self.in_time(progress)
        return embed(queries, design, backbone, query=True, fit=embedded.steps, progress=report)

    @computed
    def query_vectors(self, embedded: Embedded, progress: Progress = no_progress) -> Vectors:
        """The vectors (q, d) of a corpus's own queries."""
        return self.embed_queries(embedded.corpus.queries, embedded, progress)

    # What follows from vectors

    def neighbours(
        self, embedded: Embedded, k: int = NEAREST, progress: Progress = no_progress
    ) -> retrieval.Neighbours:
        """The k nearest neighbours of every text, or more: at least 15, so that most views share
        one graph; fewer only in a corpus that has no more texts.
        """
        k = max(k, 15)
        return self.compute(
            ("neighbours", embedded.key, k),
            lambda report: retrieval.neighbours(embedded.vectors, k),
            progress,
        )

    def maps(
        self,
        a: Embedded,
        b: Embedded,
        *,
        n_neighbors: int | None = None,
        min_dist: float | None = None,
        seed: int = 0,
        compile_umap: bool = False,
        progress: Progress = no_progress,
    ) -> Maps:
        """Two comparable maps: by UMAP once it is compiled, else by PCA.

        Texts that are the same stand on one place: each is laid out once.

        UMAP's settings are the deployment's by default. With ``compile_umap`` the first map waits
        until it is compiled, about 20 s.
        """
        if a.corpus.repeated:
            once = self.maps(
                a.without_repetitions(),
                b.without_repetitions(),
                n_neighbors=n_neighbors,
                min_dist=min_dist,
                seed=seed,
                compile_umap=compile_umap,
                progress=progress,
            )
            numbers = a.corpus.numbers
            return Maps(once.a[numbers], once.b[numbers], once.method)
        defaults = self.config.defaults
        n_neighbors = n_neighbors or defaults.n_neighbors
        min_dist = defaults.min_dist if min_dist is None else min_dist
        prepared = self.prepared_views.maps(a, b, n_neighbors, min_dist, seed)
        if prepared is not None:
            return prepared
        ready = compile_umap or projection.is_warm()
        umap = ready and projection.umap_possible(a.vectors, b.vectors)

        def work(report: Progress) -> Maps:
            if not umap:
                return Maps(*projection.pca_pair(a.vectors, b.vectors, seed), "PCA")
            near_a, near_b = (self.neighbours(side, n_neighbors, report) for side in (a, b))
            xy = projection.umap_pair(
                a.vectors, b.vectors, near_a, near_b, n_neighbors, min_dist, seed, report
            )
            return Maps(*xy, "UMAP")

        key = ("maps", a.key, b.key, umap, n_neighbors, min_dist, seed)
        return self.compute(key, work, progress)

    def retrieve(
        self,
        query: str,
        a: Embedded,
        b: Embedded,
        k: int,
        progress: Progress = no_progress,
        rows: Sequence[int] | None = None,
    ) -> tuple[list[Hit], list[Hit]]:
        """Two ranked lists of a corpus for one query, with rank moves between them.

        Only the corpus's own queries have relevant texts. Where there are ``rows``, only these
        texts are ranked.

        Raises:
            EmbedLabError: an empty query, or k out of range.
        """
        most = self.config.limits.max_results
        if not 1 <= k <= most:
            raise EmbedLabError(f"k is {k}; ask for 1 to {most} results.")
        if not query.strip():
            raise EmbedLabError("The query is empty; write what you are looking for.")
        if gpu.LENT:
            models = [
                side for side in (a, b) if not side.design.file and not is_prepared(query, side)
            ]
            sides = (wanted_queries([query], side.design, side.backbone) for side in models)
            self.together([each for wanted in sides for each in wanted], progress)
        vector_a, vector_b = (self.embed_queries([query], side, progress) for side in (a, b))
        indexes = (None, None) if rows is not None else self.indexes(a, b, progress)
        return ranked_lists(query, a, b, (vector_a, vector_b), k, rows, indexes)

    def indexes(
        self, a: Embedded, b: Embedded, progress: Progress = no_progress
    ) -> tuple[Index | None, Index | None]:
        """The indexes that A and B are searched by; None where every text is compared."""
        of_a, of_b = (self.index(side, progress) for side in (a, b))
        return of_a, of_b

    def index(self, embedded: Embedded, progress: Progress = no_progress) -> Index | None:
        """The index that a corpus under a design is searched by; None where search is exact.

        It is for lists of results. Scores are always counted by exact search.
        """
        if not index.wanted(*embedded.vectors.shape):
            return None
        return self.compute(
            ("index", embedded.key),
            lambda report: index.index_for(embedded.vectors, self.index_folder, report),
            progress,
        )

    @computed
    def retrieval_scores(
        self, embedded: Embedded, progress: Progress = no_progress
    ) -> metrics.RetrievalScores | None:
        """nDCG@10, MRR@10 and recall@10 over the corpus's own queries; None where none has
        a relevant text, or where they have no vectors.
        """
        if not any(embedded.corpus.relevant):
            return None
        try:
            queries = self.query_vectors(embedded, progress)
        except NoQueryVectors:
            return None
        ranked, _ = retrieval.search(embedded.vectors, queries, metrics.TOP_RANKS)
        return metrics.retrieval_scores(ranked, embedded.corpus.relevant)

    # Start-up

    def warm_up(self, progress: Progress = no_progress) -> None:
        """Embed the corpus of the first view; meant for a background thread.

        Where the view is prepared this is for what looks inside: layers, tokens, selections.
        """
        defaults = self.config.defaults
        corpus = self.corpus(defaults.corpus, progress=progress)
        for design in (defaults.design_a, defaults.design_b):
            self.embedded(corpus, Design.parse(design), progress=progress)


def is_prepared(query: str, side: Embedded) -> bool:
    """Whether the vector of a query is at hand, without a pass."""
    return side.shipped is not None and side.shipped.knows([query])


def wanted_queries(queries: Sequence[str], design: Design, backbone: Backbone) -> list[Wanted]:
    """The states of queries under a design, as they are asked for; the disk never stores them."""
    from embedlab.models.wanted import Wanted

    templates = design.templates(query=True)
    return [Wanted(backbone, tuple(queries), design.mode, template) for template in templates]


def _vectors_key(corpus: Corpus, design: Design, backbone: Backbone) -> Hashable:
    return "vectors", backbone.version(design), str(design), corpus.fingerprint
