"""From a study's cells to its report: means, intervals, tests and the paper's claims."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from embedlab.analysis import item_comparisons
from embedlab.analysis.bootstrap import Float64Array
from embedlab.analysis.item_comparisons import Items, defined
from embedlab.analysis.tasks import CATEGORY_MEASURES, category_name
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.study import comparisons
from embedlab.study.comparisons import DatasetComparison
from embedlab.study.definition import Cell
from embedlab.study.effects import FACTORS, choices, effects, mean_over_sources
from embedlab.study.folder import CellResult, StudyRecord, TaskResult, read_results
from embedlab.study.given_models import shared
from embedlab.study.report import (
    MANY_DESIGNS,
    CategoryDifference,
    Claim,
    Curve,
    Grid,
    GridDesign,
    GridGain,
    Model,
    Ran,
    Report,
    RunFacts,
    Score,
    StudyFacts,
    Summary,
    TaskDifference,
    TaskFacts,
    design_title,
    rounded,
    steps_text,
)

#: Random swaps of a test within a task.
LEAST_SWAPS = 9999


def report_of(folder: Path) -> Report:
    """The report on a study's folder, finished or not.

    Raises:
        EmbedLabError: the folder holds no study, or one whose files are damaged.
    """
    try:
        measured = _Measurements(*read_results(folder))
        report = _report(measured)
        return rounded(report) if measured.many else report
    except (OSError, ValueError, LookupError) as error:
        if isinstance(error, EmbedLabError):
            raise
        raise EmbedLabError(
            f"{folder.name[:60]!r} holds no results of a study, or damaged ones; run "
            "`embedlab study` with this folder as --out."
        ) from error


class _Measurements:
    """The finished cells of a study, by model and task."""

    def __init__(self, record: StudyRecord, results: Sequence[CellResult]) -> None:
        self.record = record
        clusters = {task.id: task.cluster for task in record.study.tasks}
        self.tasks = tuple(
            replace(task, cluster=clusters.get(task.id) or _mteb_cluster(task.id))
            for task in record.tasks
        )
        present = {task.category for task in record.tasks}
        self.categories = tuple(category for category in CATEGORY_MEASURES if category in present)
        on_disk = {result.name: result for result in results}
        #: Every cell of the study, and its result if it was run.
        self.cells = [(cell, on_disk.get(cell.name)) for cell in record.cells]
        self.done = [r for _, r in self.cells if r is not None and r.status == "done"]
        self._results: dict[tuple[str, str], list[CellResult]] = defaultdict(list)
        for result in sorted(self.done, key=lambda result: result.seed or 0):
            self._results[result.label, result.kind].append(result)
        self.models = self._models()
        compared = [m for m in self.models if m.compared and m.kind != "yardstick"]
        #: The designs between which differences are tested: the paper's first, in its order.
        self.compared = sorted(compared, key=lambda m: Design.parse(m.label).alias or "others")
        #: Whether there are too many designs to show every pair.
        self.many = len(self.compared) >= MANY_DESIGNS
        #: The designs that all others are tested against; without any, every pair is.
        self.references = record.study.against or tuple(
            model.label for model in self.compared[: int(self.many)]
        )

    def _models(self) -> list[Model]:
        """Yardsticks first, then the designs in the study's order: untrained, then trained."""
        # A design that the study trains is compared as trained, even before its cells are done.
        trained = {cell.label for cell, _ in self.cells if cell.kind == "trained"}
        models = []
        for label in (*self.record.study.yardsticks, *self.record.study.designs):
            compared_kind = "trained" if label in trained else "untrained"
            for kind in ("yardstick", "untrained", "trained"):
                if results := self._results.get((label, kind)):
                    seeds = tuple(r.seed for r in results if r.seed is not None)
                    models.append(Model(label, results[0].kind, seeds, kind == compared_kind))
        return models

    def tasks_in(self, category: str) -> list[TaskFacts]:
        """The tasks of a category."""
        return [task for task in self.tasks if task.category == category]

    def _task_results(self, model: Model, task: TaskFacts) -> list[TaskResult]:
        """A task's results under every seed."""
        results = self._results[model.label, model.kind]
        return [one for result in results for one in result.tasks if one.id == task.id]

    def items(self, model: Model, task: TaskFacts) -> Items | None:
        """The items of every seed; None for a task whose items are not written down."""
        items = [one.items for one in self._task_results(model, task) if one.items is not None]
        if not items or len(items) < len(self._results[model.label, model.kind]):
            return None
        gold = items[0].gold
        values = np.array([one.values for one in items], np.float64)
        return Items(items[0].kind, values, None if gold is None else np.array(gold, np.float64))

    def seed_scores(self, model: Model, tasks: Sequence[TaskFacts]) -> Float64Array:
        """Mean over the clusters of tasks for each of S seeds, (S,); NaN without a score."""
        by_cluster: dict[str, list[list[float]]] = defaultdict(list)
        for task in tasks:
            by_cluster[task.cluster].append([r.score for r in self._task_results(model, task)])
        means = [np.array(rows, np.float64).mean(axis=0) for rows in by_cluster.values()]
        return np.asarray(np.array(means).mean(axis=0))

    def also(self, model: Model, task: TaskFacts) -> dict[str, float]:
        """The means over seeds of a task's other measures."""
        values: dict[str, list[float]] = defaultdict(list)
        for one in self._task_results(model, task):
            for name, value in one.also.items():
                values[name].append(value)
        return {name: float(np.mean(seeds)) for name, seeds in values.items()}

    def mean_scores(self, model: Model, tasks: Sequence[TaskFacts]) -> Float64Array:
        """(tasks,): means over the seeds; NaN where a score is undefined."""
        by_task = self._mean_scores(model.label, model.kind)
        return np.array([by_task[task.id] for task in tasks], np.float64)

    @cache  # noqa: B019 - one of these lives as long as its report is made
    def _mean_scores(self, label: str, kind: str) -> dict[str, float]:
        """The mean over seeds on every task, by the task's id."""
        results = self._results[label, kind]
        scores: dict[str, list[float]] = {task.id: [] for task in self.tasks}
        for one in (one for result in results for one in result.tasks):
            scores.setdefault(one.id, []).append(one.score)
        return {id_: float(np.mean(seeds)) if seeds else np.nan for id_, seeds in scores.items()}

    def wins(self, model: Model, rivals: Sequence[Model], tasks: Sequence[TaskFacts]) -> int:
        """The number of tasks on which no rival's mean score is higher."""
        table = np.array([self.mean_scores(m, tasks) for m in rivals])
        best = np.nanmax(table, axis=0, initial=-np.inf)
        return int((table[rivals.index(model)] == best).sum())


def _mteb_cluster(name: str) -> str:
    """What MTEB's tasks on one collection have in common: ``ArxivClusteringP2P`` and ``…S2S``."""
    families = re.match("CQADupstack|Massive|MTOP", name)
    return families[0] if families else re.sub(r"(P2P|S2S)?(\.v\d+)?$", "", name)


def _report(measured: _Measurements) -> Report:
    record = measured.record
    within = tuple(_within_tasks(measured))
    over = tuple(_over_datasets(measured))
    return Report(
        name=record.name,
        facts=StudyFacts(
            **record.model_dump(include=set(RunFacts.model_fields)),
            recipe=record.study.recipe or _recipe_of_models(measured),
            digest=record.digest,
        ),
        alpha=record.study.alpha,
        categories=measured.categories,
        tasks=measured.tasks,
        models=tuple(measured.models),
        scores=tuple(
            _score(measured, number, task)
            for number in range(len(measured.models))
            for task in measured.tasks
        ),
        summary=tuple(_summary(measured, model) for model in measured.models),
        over_datasets=over,
        within_tasks=within,
        claims=tuple(_claims(measured, over, within)),
        curves=tuple(_curve(result) for result in measured.done if result.history),
        ran=tuple(_ran(cell, result) for cell, result in measured.cells),
        notes=tuple(_notes(measured)),
        grid=_grid(measured, within) if measured.many else None,
    )


# Scores


def _score(measured: _Measurements, number: int, task: TaskFacts) -> Score:
    model = measured.models[number]
    seed_scores, items = measured.seed_scores(model, [task]), measured.items(model, task)
    low, high = (items and item_comparisons.score_interval(items)) or (None, None)
    return Score(
        model=number,
        task=task.id,
        score=defined(seed_scores.mean()),
        low=low,
        high=high,
        seed_sd=comparisons.seed_sd(seed_scores),
        n=0 if items is None else items.n,
        also={name: defined(mean) for name, mean in measured.also(model, task).items()},
    )


def _summary(measured: _Measurements, model: Model) -> Summary:
    by_category = [measured.tasks_in(category) for category in measured.categories]
    seed_scores = [measured.seed_scores(model, tasks) for tasks in by_category]
    rivals = measured.compared
    in_contest = model in rivals and len(rivals) > 1
    return Summary(
        title=model.title,
        kind=model.kind,
        means=tuple(defined(scores.mean()) for scores in seed_scores),
        seed_sds=tuple(comparisons.seed_sd(scores) for scores in seed_scores),
        wins=tuple(measured.wins(model, rivals, tasks) for tasks in by_category if in_contest),
    )


# Differences


def _over_datasets(measured: _Measurements) -> Iterator[CategoryDifference]:
    models, alpha = measured.compared, measured.record.study.alpha
    labels = [model.label for model in models]
    for category in measured.categories if len(models) > 1 else ():
        tasks = measured.tasks_in(category)
        table = [measured.mean_scores(model, tasks) for model in models]
        clusters = [task.cluster for task in tasks]
        for pair in comparisons.compare_over_datasets(
            table, labels, alpha=alpha, against=measured.references, clusters=clusters
        ):
            yield CategoryDifference(category, pair)


def _within_tasks(measured: _Measurements) -> Iterator[TaskDifference]:
    alpha = measured.record.study.alpha
    for task in measured.tasks:
        of_models = {model.label: measured.items(model, task) for model in measured.compared}
        items = {label: one for label, one in of_models.items() if one is not None}
        names = list(items)
        numbers = comparisons.compared_pairs(names, measured.references)
        pairs = [(names[a], names[b]) for a, b in numbers]
        # So many swaps that the smallest p survives the correction.
        swaps = max(LEAST_SWAPS, math.ceil(4 * len(pairs) / alpha))
        compared = item_comparisons.compare_pairs(items, pairs, n_swaps=swaps)
        # Over all pairs of one task: each task is a question of its own.
        corrected = item_comparisons.holm([one.p for one in compared])
        for (a, b), one, p in zip(pairs, compared, corrected, strict=True):
            separable = p is not None and p <= alpha
            yield TaskDifference(
                task=task.id, a=a, b=b, corrected=p, separable=separable, **asdict(one)
            )


def _grid(measured: _Measurements, within: Sequence[TaskDifference]) -> Grid:
    """What each choice does and every design, over all sources of texts."""
    tasks, alpha = measured.tasks, measured.record.study.alpha
    clusters, categories = [t.cluster for t in tasks], [t.category for t in tasks]
    scores = {model.label: measured.mean_scores(model, tasks) for model in measured.compared}
    separable = Counter(
        (one.a, one.b, (one.difference or 0) > 0) for one in within if one.separable
    )
    gains: dict[str, list[GridGain]] = {label: [] for label in scores}
    for one in comparisons.compare_over_datasets(
        list(scores.values()),
        list(scores),
        alpha=alpha,
        against=measured.references,
        clusters=clusters,
    ):
        better, worse = (separable[one.a, one.b, up] for up in (True, False))
        gains[one.b].append(GridGain(one, better, worse))
    designs = [
        GridDesign(
            label,
            choices(Design.parse(label)),
            mean_over_sources(row, clusters),
            tuple(
                mean_over_sources(np.where([c == name for c in categories], row, np.nan), clusters)
                for name in measured.categories
            ),
            tuple(gains[label]),
        )
        for label, row in scores.items()
    ]
    designs.sort(key=lambda one: np.inf if one.mean is None else -one.mean)
    found = effects(scores, categories, clusters, order=measured.categories, alpha=alpha)
    references = tuple(measured.references)
    return Grid(FACTORS, len(set(clusters)), references, found, tuple(designs))


# What was run


def _curve(result: CellResult) -> Curve:
    assert result.seed is not None
    points = (
        (step.number, step.loss if step.phase == "contrastive" else None, step.held_out)
        for step in result.history
    )
    return Curve(result.label, result.seed, tuple(points))


def _recipe_of_models(measured: _Measurements) -> dict[str, Any] | None:
    """What the recipes of given models have in common; None in a study that trains nothing."""
    recipes = [result.recipe for result in measured.done if result.recipe]
    return shared(recipes) if measured.record.study.models and recipes else None


def _ran(cell: Cell, result: CellResult | None) -> Ran:
    if result is None:
        return Ran(str(cell), "not run", "", None)
    return Ran(str(cell), result.status, result.error, result.seconds)


def _notes(measured: _Measurements) -> Iterator[str]:
    study, seeds = measured.record.study, len(measured.record.study.seeds)
    if missing := len(measured.cells) - len(measured.done):
        yield f"{missing} of {len(measured.cells)} cells are not done: this report covers a part."
    if study.instructions:
        yield (
            "Each task's instruction stands before its texts, before the queries alone in "
            "retrieval, as in the paper's evaluation; yardsticks read the texts alone."
        )
    trained = study.recipe or study.models
    if steps := [r.history[-1].number for r in measured.done if study.models and r.history]:
        yield (
            "The trained designs were there before this study, trained for "
            f"{steps_text(steps)} steps."
        )
    if trained and seeds == 1:
        yield "One seed: how much the results vary with the seed is not known."
    if trained and seeds > 1:
        yield (
            f"Every verdict is on the mean of the {seeds} seeds that were run: their spread is "
            "shown beside the scores and enters no test."
        )
    if measured.many:
        yield (
            f"{len(measured.compared)} designs: shown is what each choice does, averaged over the "
            f"others, and every design against {' and '.join(measured.references)}. An average "
            "over sources of texts adds up measures of different kinds."
        )
    for category in measured.categories:
        tasks = measured.tasks_in(category)
        sources = {task.cluster for task in tasks}
        if len(sources) < len(tasks):
            yield (
                f"The {len(tasks)} {category_name(category)} tasks come from {len(sources)} "
                f"source{'s' * (len(sources) != 1)}. Tasks of one source are no independent "
                "datasets: they are averaged first, and count once in means and in tests over "
                "datasets."
            )
    data = measured.record.data or {}
    if data.get("in_domain"):
        yield (
            f"Trained on {data.get('title')}: in-domain for {', '.join(data['in_domain'])}, where "
            "training helps more than elsewhere."
        )
    if words := max((task.words for task in study.tasks), default=0):
        yield f"Only the first {words} words of every text were read."
    untrained = [design_title(m.label) for m in measured.compared if not m.seeds]
    if untrained and study.recipe:
        yield f"Not trained, because this recipe trains nothing in them: {', '.join(untrained)}."
    yield from (f"{r.label}: {r.warning}" for r in measured.done if r.warning)


# The paper's conclusions

#: Two points: a gain below this counts as none if the interval excludes a larger one.
RELEVANT_GAIN = 0.02
#: The paper's conclusion on M4 and M5 against M1, by category: whether it saw a gain.
PAPER_SAW_GAIN = {"STS": True, "Retrieval": True, "Classification": False, "Clustering": False}
AGREES, DISAGREES, CANNOT_TELL = "agrees", "disagrees", "cannot tell"


def _claims(
    measured: _Measurements,
    over: Sequence[CategoryDifference],
    within: Sequence[TaskDifference],
) -> Iterator[Claim]:
    """On M4 and M5 against M1, in every category where both are measured."""
    designs = {Design.parse(model.label).alias: model for model in measured.compared}
    for category, alias in product(PAPER_SAW_GAIN, ("M4", "M5")):
        if category not in measured.categories or not {"M1", alias} <= designs.keys():
            continue
        gains, tasks = PAPER_SAW_GAIN[category], measured.tasks_in(category)
        m1, model = designs["M1"], designs[alias]
        pair, ids = (m1.label, model.label), {task.id for task in tasks}
        on_category = next(
            d.over for d in over if d.category == category and (d.over.a, d.over.b) == pair
        )
        on_tasks = [d for d in within if d.task in ids and (d.a, d.b) == pair]
        agreement, why = judged(gains, on_category, on_tasks)
        ahead = measured.wins(model, [m1, model], tasks)
        why += f" {alias} is ahead on {ahead} of {len(tasks)} tasks."
        said = "helps" if gains else "no reliable gain"
        yield Claim(category, "M1", alias, said, agreement, why)


def judged(
    gains: bool, over: DatasetComparison, within: Sequence[TaskDifference]
) -> tuple[str, str]:
    """Whether a study agrees with the paper on a pair of designs, and the reason.

    Args:
        gains: whether the paper saw a gain of ``b`` on ``a``.
        over: the pair over the datasets of a category; it decides where a test can.
        within: the same pair on each task of the category; where datasets are too few, these
            decide if they all agree.
    """
    if over.why is None:
        sign = int(np.sign(over.difference or 0)) if over.separable else 0
        highest = over.high
        basis = f"over {over.n} independent datasets, {over.verdict}"
    else:
        signs = {int(np.sign(d.difference or 0)) if d.separable else 0 for d in within}
        sign = signs.pop() if len(signs) == 1 else 0
        highs = [d.high for d in within]
        highest = None if None in highs or not highs else max(h for h in highs if h is not None)
        separable = sum(d.separable for d in within)
        basis = (
            f"on average; {over.n} independent datasets are too few to tell over them, and it "
            f"is separable within {separable} of {len(within)} tasks"
        )
    change = "no score" if over.difference is None else f"{100 * over.difference:+.1f} points"
    why = f"{change} {basis}."
    if gains:
        return {1: AGREES, 0: CANNOT_TELL, -1: DISAGREES}[sign], why
    # No difference found is no proof of none: the interval has to exclude a relevant gain.
    if sign == 0 and highest is not None and highest < RELEVANT_GAIN:
        limit = f"{100 * RELEVANT_GAIN:.0f} points"
        return AGREES, f"{why} A gain above {limit} is outside the interval."
    return {1: DISAGREES, 0: CANNOT_TELL, -1: AGREES}[sign], why
