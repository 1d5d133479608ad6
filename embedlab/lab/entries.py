"""What a leaderboard compares: designs, each on its backbone, and the passes that they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedlab import gpu
from embedlab.analysis.contestants import designs_of
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab, wanted_queries
from embedlab.models import yardstick
from embedlab.models.design import FILE, Design
from embedlab.models.trained_designs import trained_on
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.analysis.comparison import Embedded
    from embedlab.models.backbone import Backbone
    from embedlab.models.embedding import StatesOf
    from embedlab.models.wanted import Wanted

#: Texts of all passes that one call of a lent GPU returns, as a multiple of ``limits.max_texts``.
LENT_SHARE = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """A design on a model; ``name`` is unique in a table.

    Of vectors from a file ``model`` is the design itself, and ``backbone`` what stands for one.
    """

    name: str
    design: Design
    model: str
    backbone: Backbone

    @property
    def passes(self) -> tuple[tuple[str, str, str], ...]:
        """What names the passes over the texts that it reads; none for vectors from a file."""
        if self.design.file:
            return ()
        templates = self.design.templates(query=False)
        return tuple((self.backbone.key, self.design.mode, each.key) for each in templates)

    def embedded(
        self,
        lab: Lab,
        corpus: Corpus,
        progress: Progress = no_progress,
        states_of: StatesOf | None = None,
    ) -> Embedded:
        """A corpus under the design; see :meth:`Lab.embedded_on`."""
        if self.design.file:
            return lab.prepared(corpus, self.design)
        return lab.embedded_on(corpus, self.design, self.backbone, progress, states_of)


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What is to be compared on what: the entries, and whether the yardstick stands beside them.

    ``model`` is the id of the ``backbone`` of all that name no other.
    """

    corpus: Corpus
    model: str
    backbone: Backbone
    entries: tuple[Entry, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    yardstick: bool = False
    field: str = ""
    seed: int = 0

    @property
    def size(self) -> int:
        """How many rows the table has, unless a design turns out not to be possible."""
        return len(self.entries) + self.yardstick

    @property
    def passes(self) -> int:
        """Passes over the texts, each counted once."""
        return len({one for entry in self.entries for one in entry.passes})

    @property
    def groups(self) -> list[list[Entry]]:
        """The entries that read the same passes, in the order in which they first appear."""
        groups: dict[tuple[tuple[str, str, str], ...], list[Entry]] = {}
        for entry in self.entries:
            groups.setdefault(entry.passes, []).append(entry)
        return list(groups.values())

    @property
    def key(self) -> tuple[object, ...]:
        """Names what is compared on what."""
        versions = tuple((e.backbone.version(e.design), e.name) for e in self.entries)
        return (*self.corpus.key, versions, self.yardstick, self.field, self.seed)


def entries_for(
    lab: Lab,
    corpus: Corpus,
    backbone_id: str = "",
    *,
    kinds: Iterable[str] = (),
    designs: Sequence[Design] = (),
    also: Sequence[tuple[Design, str]] = (),
    field: str = "",
    seed: int = 0,
    progress: Progress = no_progress,
) -> Request:
    """What a leaderboard compares: kinds of designs on a backbone, and others on any.

    Args:
        kinds: some of :data:`~embedlab.analysis.contestants.KINDS`; with any of them, the
            corpus's vectors from files are compared too.
        designs: more designs on the same backbone.
        also: more designs, each with the id of its backbone: trained models, A and B.
        field: holds the labels; by default the corpus's first.
        seed: of k-means.

    Raises:
        EmbedLabError: more designs than the deployment compares, none at all, or a corpus beyond
            its limits.
    """
    kinds = set(kinds)
    base_id = backbone_id or lab.default_backbone
    backbone = lab.backbone(base_id, progress)
    lab.check(corpus.texts, Design())
    files = [Design.parse(f"{FILE} {name}") for name in corpus.prepared] if kinds else []
    named = (*designs, *designs_of(kinds, corpus, backbone.num_layers), *files)
    chosen: dict[tuple[str, str], Entry] = {}
    left_out: dict[str, str] = {}
    for design, model in dict.fromkeys((*((each, base_id) for each in named), *also)):
        try:
            entry = _entry(lab, corpus, design, model, base_id, progress)
            chosen[entry.name, entry.model] = entry
        except EmbedLabError as error:
            left_out[f"{design}"] = str(error)
    most = lab.config.limits.max_designs
    if len(chosen) > most:
        raise EmbedLabError(
            f"{len(chosen)} designs were asked for; this deployment compares up to {most} at once "
            "(limits.max_designs in spaces_config.yaml)."
        )
    if not chosen:
        reasons = " ".join(left_out.values())
        raise EmbedLabError(f"There is no design to compare. {reasons}".strip())
    _check_one_call(lab, len(corpus.texts), chosen.values())
    measured = yardstick.missing() if "yardstick" in kinds else ""
    if measured:
        left_out[yardstick.NAME] = measured
    return Request(
        corpus=corpus,
        model=base_id,
        backbone=backbone,
        entries=tuple(chosen.values()),
        left_out=tuple(left_out.items()),
        yardstick="yardstick" in kinds and not measured,
        field=field or next(iter(corpus.fields), ""),
        seed=seed,
    )


def trained_models(lab: Lab, base_id: str, run_ids: Any) -> list[tuple[Design, str]]:
    """A backbone's trained designs, and a browser's runs that the server still has."""
    models = [(each.design, each.id) for each in trained_on(base_id)]
    for run_id in run_ids if isinstance(run_ids, list) else []:
        with suppress(EmbedLabError):
            run = lab.runs.get(str(run_id))
            if run.backbone is not None:
                models.append((run.request.design, run.id))
    return models


def _entry(
    lab: Lab, corpus: Corpus, design: Design, model: str, base_id: str, progress: Progress
) -> Entry:
    name = str(design)
    if design.file:
        return Entry(
            name=name, design=design, model=name, backbone=lab.prepared(corpus, design).backbone
        )
    backbone = lab.backbone(model, progress)
    backbone.check(design)
    lab.check(corpus.queries, design)
    shown = name if model == base_id else f"{backbone.name} · {name}"
    return Entry(name=shown, design=design, model=model, backbone=backbone)


def _check_one_call(lab: Lab, texts: int, entries: Iterable[Entry]) -> None:
    """Refuse what the single call of a lent GPU would return too much of."""
    most = LENT_SHARE * lab.config.limits.max_texts
    passes = len({one for entry in entries for one in entry.passes})
    if gpu.LENT and passes * texts > most:
        raise EmbedLabError(
            f"{passes} passes over {texts:,} texts are too much for one call of a lent GPU; take "
            f"at most {most // passes:,} texts, or fewer kinds of designs."
        )


def passes_of(lab: Lab, corpus: Corpus, entry: Entry) -> list[Wanted]:
    """The passes over the texts that an entry reads."""
    design, backbone = entry.design, entry.backbone
    templates = design.templates(query=False) if entry.passes else ()
    return [lab.wanted(corpus, backbone, design.mode, template) for template in templates]


def queries_of(corpus: Corpus, entry: Entry) -> list[Wanted]:
    """The passes over the queries, where any of them is judged."""
    judged = any(corpus.relevant) and bool(entry.passes)
    return wanted_queries(corpus.queries, entry.design, entry.backbone) if judged else []
