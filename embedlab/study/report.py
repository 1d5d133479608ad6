"""The report on a study: all its results. Pages, tables and plots only draw them."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from embedlab.child_process import Bounds, in_child_process
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.study.comparisons import DatasetComparison, Difference
from embedlab.study.definition import CellKind
from embedlab.study.effects import Effect
from embedlab.text import shorten
from embedlab.validation import sentence

#: The largest number of models × tasks, and of designs, that a page can show.
MAX_SCORES = 20_000
MAX_DESIGNS = 400
#: From so many designs on a report says what each choice does, and shows every design in a table
#: that can be sorted and filtered rather than every pair.
MANY_DESIGNS = 24
#: A report may come from a file: no unknown keys, and finite numbers.
_CHECKED = ConfigDict(extra="forbid", allow_inf_nan=False)


@with_config(_CHECKED)
class BackboneFacts(TypedDict, total=False):
    """The backbone that a study was run with; ``precision`` is a dtype such as ``float32``."""

    id: str
    name: str
    source: str
    note: str
    precision: str
    device: str


@with_config(_CHECKED)
class DataFacts(TypedDict, total=False):
    """A study's training pairs: :attr:`embedlab.data.pairs.PairSet.facts`."""

    id: str
    title: str
    source: str
    licence: str
    pairs: int
    sha256: str
    removed: int
    in_domain: list[str]


class RunFacts(BaseModel, extra="forbid", frozen=True):
    """What a study is run with; ``versions`` are of Python and the packages that matter."""

    backbone: BackboneFacts | None = None
    versions: dict[str, str] | None = None
    hardware: str | None = None
    data: DataFacts | None = None
    command: str | None = None


class StudyFacts(RunFacts, frozen=True):
    """The same of a report; a recipe stays plain, as an earlier version's may have other keys."""

    recipe: dict[str, Any] | None = None
    digest: str | None = None


@dataclass(frozen=True, config=_CHECKED)
class TaskFacts:
    """A task, its source and a hash of what it was measured on.

    Tasks with the same ``cluster`` are measured on texts of one origin, such as two years of one
    collection: over datasets they count once. Empty in reports of earlier versions.
    """

    id: str
    category: str
    measure: str
    title: str
    source: str
    texts: int
    sha256: str
    cluster: str = ""


@dataclass(frozen=True, config=_CHECKED)
class Model:
    """A design or a yardstick as it was measured; ``kind`` as in
    :class:`~embedlab.study.definition.Cell`.

    ``compared`` says whether it is one of the designs between which differences are tested.
    """

    label: str
    kind: CellKind
    seeds: tuple[int, ...]
    compared: bool

    @property
    def title(self) -> str:
        """``M1 · causal/eos``, with ``untrained`` where training would have changed it."""
        if self.kind == "yardstick":
            return self.label
        title = design_title(self.label)
        return title if self.compared and self.seeds else f"{title}, untrained"


@dataclass(frozen=True, config=_CHECKED)
class Score:
    """A model's score on a task: the mean over seeds, its interval over items, its seeds' spread.

    None stands for what is undefined: the interval of a task without items, the spread of one seed.
    ``also`` are means over seeds of other measures of the task, such as ``mrr``.
    """

    model: Annotated[int, Field(ge=0)]
    task: str
    score: float | None
    low: float | None
    high: float | None
    seed_sd: float | None
    n: int
    also: dict[str, float | None] = Field(default_factory=dict)


@dataclass(frozen=True, config=_CHECKED)
class Summary:
    """A model's mean over the sources of every category, and the spread of its seeds there.

    ``wins`` counts the tasks of a category on which none of the designs compared scores higher;
    it is empty for a model that is not compared.
    """

    title: str
    kind: CellKind
    means: tuple[float | None, ...]
    seed_sds: tuple[float | None, ...]
    wins: tuple[int, ...] = ()


@dataclass(frozen=True, config=_CHECKED)
class TaskDifference(Difference):
    """Two designs on one task, paired over its items; ``corrected`` over all pairs of designs."""

    task: str


@dataclass(frozen=True, config=_CHECKED)
class CategoryDifference:
    """Two designs over the independent datasets of a category."""

    category: str
    over: DatasetComparison


@dataclass(frozen=True, config=_CHECKED)
class GridGain:
    """A design's gain on a reference over all sources, and on how many tasks it is separable.

    ``better`` and ``worse`` count the tasks on which the two are separable over the task's items.
    """

    over: DatasetComparison
    better: int
    worse: int


@dataclass(frozen=True, config=_CHECKED)
class GridDesign:
    """One design of a grid: its level of each factor, and its means over sources of texts.

    ``means`` are those of each category and ``mean`` that over all sources. ``gains`` are on the
    designs that all others are tested against; a design has none on itself.
    """

    label: str
    choices: tuple[str, ...]
    mean: float | None
    means: tuple[float | None, ...]
    gains: tuple[GridGain, ...]


@dataclass(frozen=True, config=_CHECKED)
class Grid:
    """What a study of many designs says: the effect of each choice, and every design.

    ``sources`` is the number of independent sources of texts over all categories; the designs
    stand in the order of their means, and ``references`` are those all are tested against.
    """

    factors: tuple[str, ...]
    sources: int
    references: tuple[str, ...]
    effects: tuple[Effect, ...]
    designs: tuple[GridDesign, ...]


@dataclass(frozen=True, config=_CHECKED)
class Claim:
    """The paper's conclusion on ``b`` against ``a`` (``said``) beside this study's (``found``)."""

    category: str
    a: str
    b: str
    said: str
    found: str
    why: str


@dataclass(frozen=True, config=_CHECKED)
class Curve:
    """One training: step, contrastive loss and held-out score (None where there is none)."""

    label: str
    seed: int
    points: tuple[tuple[int, float | None, float | None], ...]


@dataclass(frozen=True, config=_CHECKED)
class Ran:
    """A cell that was run, or why it was not."""

    cell: str
    status: str
    error: str
    seconds: float | None


@dataclass(frozen=True, config=_CHECKED)
class Report:
    """All results of a study; scores are fractions, not ×100."""

    name: str
    facts: StudyFacts
    alpha: Annotated[float, Field(gt=0, lt=1)]
    categories: tuple[str, ...]
    tasks: tuple[TaskFacts, ...]
    models: tuple[Model, ...]
    scores: tuple[Score, ...]
    summary: tuple[Summary, ...]
    over_datasets: tuple[CategoryDifference, ...]
    within_tasks: tuple[TaskDifference, ...]
    claims: tuple[Claim, ...]
    curves: tuple[Curve, ...]
    ran: tuple[Ran, ...]
    notes: tuple[str, ...]
    grid: Grid | None = None
    #: What it says otherwise than an earlier study that it was set beside.
    changes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The content of a report.json; :func:`read_report` reads it."""
        values = _REPORT.dump_python(self)
        if self.grid is None:  # as reports were before there were grids
            del values["grid"]
        if not self.changes:  # likewise before a report could be set beside another
            del values["changes"]
        for score in values["scores"]:  # likewise before tasks had other measures
            if not score["also"]:
                del score["also"]
        # A line for each number would be most of a report on hundreds of designs.
        indent = 1 if self.grid is None else None
        return json.dumps(values, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"


_REPORT = TypeAdapter(Report)


def rounded(report: Report, digits: int = 6) -> Report:
    """A report whose numbers have so many decimals: the others are most of a long file."""

    def short(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, digits)
        if isinstance(value, dict):
            return {key: short(one) for key, one in value.items()}
        return [short(one) for one in value] if isinstance(value, list | tuple) else value

    return _REPORT.validate_python(short(_REPORT.dump_python(report)))


def read_report(path: Path) -> Report:
    """A report as :meth:`Report.to_json` wrote it.

    Raises:
        EmbedLabError: no such file, it holds no report, or one whose parts contradict each other.
    """
    try:
        report = _REPORT.validate_json(path.read_bytes())
        _check_references(report)
    except (OSError, ValidationError, EmbedLabError) as error:
        problem = sentence(error, Report) if isinstance(error, ValidationError) else str(error)
        reason = "" if isinstance(error, OSError) else f" ({problem.rstrip('.')})"
        raise EmbedLabError(
            f"{shorten(path.name, 60)!r} holds no study report{reason}; choose a report.json that "
            "`embedlab study` wrote."
        ) from error
    return report


def read_uploaded(path: Path, max_bytes: int, bounds: Bounds | None = None) -> Report:
    """A visitor's report, no larger than a page can show, checked in a bounded child process.

    Raises as :func:`read_report`.
    """
    in_child_process(check_uploaded, path, bounds=bounds, max_bytes=max_bytes)
    return read_report(path)


def check_uploaded(path: Path, max_bytes: int) -> None:
    """The part of :func:`read_uploaded` that meets the file first."""
    name, size = repr(shorten(path.name, 60)), path.stat().st_size
    if size > max_bytes:
        raise EmbedLabError(
            f"{name} has {size / 10**6:,.0f} MB; up to {max_bytes / 10**6:,.0f} MB can be opened "
            "here."
        )
    report = read_report(path)
    designs = len({model.label for model in report.models})
    if len(report.models) * len(report.tasks) > MAX_SCORES or designs > MAX_DESIGNS:
        raise EmbedLabError(
            f"{name} has {designs:,} designs on {len(report.tasks):,} tasks; a page can show up to "
            f"{MAX_DESIGNS} designs and {MAX_SCORES:,} scores."
        )


def _check_references(report: Report) -> None:
    """Raise ``EmbedLabError`` where a part names a task, category or model that is not listed."""
    tasks = {task.id for task in report.tasks}
    categories = [task.category for task in report.tasks]
    categories += [one.category for one in report.over_datasets]
    on_tasks = [score.task for score in report.scores] + [d.task for d in report.within_tasks]
    references: tuple[tuple[str, Sequence[object], Container[object]], ...] = (
        ("category", categories, report.categories),
        ("task", on_tasks, tasks),
        ("model", [score.model for score in report.scores], range(len(report.models))),
    )
    for what, named, listed in references:
        for name in named:
            if name not in listed:
                raise EmbedLabError(f"the {what} {str(name)[:60]!r} is named but not listed")
    n = len(set(report.categories))
    sizes = {len(numbers) for row in report.summary for numbers in (row.means, row.seed_sds)}
    if len(report.summary) != len(report.models) or sizes | {len(report.categories)} != {n}:
        raise EmbedLabError("the summary needs one row for each model, one mean for each category")
    labels = {model.label for model in report.models if model.kind != "yardstick"}
    labels.update(designs_in([one.over for one in report.over_datasets]))
    if report.grid is not None:
        labels.update((*report.grid.references, *(one.label for one in report.grid.designs)))
        widths = {(len(one.choices), len(one.means)) for one in report.grid.designs}
        if widths - {(len(report.grid.factors), n)}:
            raise EmbedLabError(
                "a design needs one choice for each factor and one mean for each category"
            )
    labels.update(designs_in(report.within_tasks), (curve.label for curve in report.curves))
    for label in labels:
        design_title(label)


def design_title(label: str) -> str:
    """``M1 · causal/eos``; a design that the paper has no name for, as it is."""
    alias = Design.parse(label).alias
    return f"{alias} · {label}" if alias else label


def over_datasets(report: Report, category: str) -> list[DatasetComparison]:
    """Every pair of designs over the datasets of a category."""
    return [one.over for one in report.over_datasets if one.category == category]


def within_task(report: Report, task: str) -> list[TaskDifference]:
    """Every pair of designs on one task."""
    return [one for one in report.within_tasks if one.task == task]


def designs_in(differences: Sequence[Difference]) -> list[str]:
    """The designs between which differences were tested, in the study's order."""
    return list(dict.fromkeys(label for one in differences for label in (one.a, one.b)))


def against(differences: Sequence[Difference], reference: str) -> list[Difference]:
    """The pairs with ``reference``, each as the other design's gain on it."""
    pairs = [one for one in differences if reference in (one.a, one.b)]
    return [one if one.a == reference else _turned(one) for one in pairs]


def why_no_p(differences: Sequence[Difference]) -> str | None:
    """A sentence where no pair has a p-value; None where there is one."""
    if any(one.corrected is not None for one in differences):
        return None
    if not differences:
        return "Nothing is compared here: fewer than two designs have scores of single items."
    reasons = (one.why for one in differences if isinstance(one, DatasetComparison) and one.why)
    return next(reasons, "No p-value: a score is undefined, or there are fewer than two items.")


def short_name(label: str) -> str:
    """``M5``; a design the paper has no name for, as it is."""
    return Design.parse(label).alias or label


def steps_text(steps: Sequence[int]) -> str:
    """``40``, or ``250 to 400`` where trainings differ in their steps; there is at least one."""
    fewest, most = min(steps), max(steps)
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"


def p_text(p: float | None) -> str:
    """``0.012``, ``<0.001``, or a dash where nothing was tested."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _turned(one: Difference) -> Difference:
    changes: dict[str, Any] = {
        "a": one.b,
        "b": one.a,
        "difference": _minus(one.difference),
        "low": _minus(one.high),
        "high": _minus(one.low),
    }
    if isinstance(one, DatasetComparison):
        changes["effect"] = _minus(one.effect)
    return replace(one, **changes)


def _minus(value: float | None) -> float | None:
    return None if value is None else -value
