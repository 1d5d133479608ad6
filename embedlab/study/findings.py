"""From a study's cells to its report: means, intervals, tests and claims."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from embedlab.analysis.bootstrap import Float64Array
from embedlab.analysis.tasks import MEASURES
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.study import comparisons
from embedlab.study.comparisons import DatasetComparison, Items
from embedlab.study.definition import Cell
from embedlab.study.report import (
    CategoryDifference,
    Claim,
    Curve,
    Model,
    Ran,
    Report,
    Score,
    Summary,
    TaskDifference,
    TaskFacts,
    design_title,
)


def report_of(folder: Path) -> Report:
    """What is known from a study's folder, finished or not.

    Raises:
        EmbedLabError: the folder holds no study, or one whose files are damaged.
    """
    try:
        about = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        paths = sorted((folder / "cells").glob("*.json"))
        found = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        return _Findings(about, [c for c in found if c.get("study") == about["digest"]]).report()
    except (OSError, ValueError, LookupError, TypeError) as error:
        if isinstance(error, EmbedLabError):
            raise
        raise EmbedLabError(
            f"{folder.name[:60]!r} holds no results of a study, or damaged ones; run "
            "`embedlab study` with this folder as --out."
        ) from error


class _Findings:
    """The cells of a study, gathered by model and task."""

    def __init__(self, about: dict[str, Any], cells: list[dict[str, Any]]) -> None:
        self.about, self.study = about, about["study"]
        known = {(c["label"], c["kind"], c["seed"]): c for c in cells}
        expected = [Cell(**{k: c[k] for k in ("label", "kind", "seed")}) for c in about["cells"]]
        #: Every cell of the study, and what is written down of it.
        self.expected = [(c, known.get((c.label, c.kind, c.seed), {})) for c in expected]
        self.done = [cell for _, cell in self.expected if cell.get("status") == "done"]
        self.tasks = [TaskFacts(**task) for task in about.get("tasks", [])]
        present = {task.category for task in self.tasks}
        self.categories = tuple(category for category in MEASURES if category in present)
        self.models = self._models()

    def report(self) -> Report:
        within = self._within_tasks()
        over = self._over_datasets()
        keys = ("backbone", "versions", "hardware", "data", "command")
        return Report(
            name=self.about["name"],
            facts={key: self.about.get(key) for key in keys}
            | {"recipe": self.study["recipe"], "digest": self.about["digest"]},
            alpha=self.study["alpha"],
            categories=self.categories,
            tasks=tuple(self.tasks),
            models=tuple(self.models),
            scores=tuple(self._scores()),
            summary=tuple(map(self._summary, self.models)),
            over_datasets=tuple(over),
            within_tasks=tuple(within),
            claims=tuple(self._claims(over, within)),
            curves=tuple(self._curves()),
            ran=tuple(self._ran()),
            notes=tuple(self._notes()),
        )

    # Scores

    def _models(self) -> list[Model]:
        """Yardsticks first, then the designs in the study's order: untrained, then trained."""
        # What the study trains is compared trained, also while its cells are not done yet.
        trained = {cell.label for cell, _ in self.expected if cell.kind == "trained"}
        found = []
        labels = [*self.study["yardsticks"], *self.study["designs"]]
        for label in labels:
            for kind in ("yardstick", "untrained", "trained"):
                cells = [c for c in self.done if (c["label"], c["kind"]) == (label, kind)]
                if cells:
                    seeds = tuple(sorted(c["seed"] for c in cells if c["seed"] is not None))
                    meant = "trained" if label in trained else "untrained"
                    found.append(Model(label, kind, seeds, kind == meant))
        return found

    def _cells(self, model: Model) -> list[dict[str, Any]]:
        cells = [c for c in self.done if (c["label"], c["kind"]) == (model.label, model.kind)]
        return sorted(cells, key=lambda cell: cell["seed"] or 0)

    def _entries(self, model: Model, task: TaskFacts) -> list[dict[str, Any]]:
        """The task's entry in the cells of every seed."""
        return [e for cell in self._cells(model) for e in cell["tasks"] if e["id"] == task.id]

    def _items(self, model: Model, task: TaskFacts) -> Items | None:
        items = [entry["items"] for entry in self._entries(model, task)]
        if not items or None in items:
            return None
        gold = items[0]["gold"]
        values = np.array([one["values"] for one in items], np.float64)
        return Items(items[0]["kind"], values, None if gold is None else np.array(gold, np.float64))

    def _seed_scores(self, model: Model, tasks: Sequence[TaskFacts]) -> Float64Array:
        """Mean over the tasks, one a seed: (S,); NaN where a score is undefined."""
        rows = [[entry["score"] for entry in self._entries(model, task)] for task in tasks]
        table = np.array(rows, np.float64)
        return np.asarray(table.mean(axis=0))

    def _scores(self) -> list[Score]:
        found = []
        for number, model in enumerate(self.models):
            for task in self.tasks:
                of_seeds = self._seed_scores(model, [task])
                items = self._items(model, task)
                bounds = None if items is None else comparisons.score_interval(items)
                low, high = bounds or (None, None)
                found.append(
                    Score(
                        model=number,
                        task=task.id,
                        score=_number(of_seeds.mean()),
                        low=low,
                        high=high,
                        seed_sd=comparisons.seed_sd(of_seeds),
                        n=0 if items is None else items.n,
                    )
                )
        return found

    def _summary(self, model: Model) -> Summary:
        of_category = [self._seed_scores(model, self._of(c)) for c in self.categories]
        rivals = self._compared()
        return Summary(
            title=model.title,
            kind=model.kind,
            means=tuple(_number(scores.mean()) for scores in of_category),
            seed_sds=tuple(comparisons.seed_sd(scores) for scores in of_category),
            wins=tuple(self._wins(model, rivals, self._of(c)) for c in self.categories)
            if model in rivals and len(rivals) > 1
            else (),
        )

    def _wins(self, model: Model, rivals: Sequence[Model], tasks: Sequence[TaskFacts]) -> int:
        """On how many tasks no rival's mean over its seeds is higher."""
        table = np.array([[self._seed_scores(m, [t]).mean() for t in tasks] for m in rivals])
        best = np.nanmax(table, axis=0, initial=-np.inf)
        return int((table[rivals.index(model)] == best).sum())

    def _of(self, category: str) -> list[TaskFacts]:
        return [task for task in self.tasks if task.category == category]

    # Differences

    def _compared(self) -> list[Model]:
        """The designs whose differences are tested: the paper's in its order, then the others."""
        found = [model for model in self.models if model.compared and model.kind != "yardstick"]
        return sorted(found, key=lambda model: Design.parse(model.label).alias or "others")

    def _over_datasets(self) -> list[CategoryDifference]:
        models = self._compared()
        found = []
        for category in self.categories:
            table = [
                [float(self._seed_scores(model, [task]).mean()) for task in self._of(category)]
                for model in models
            ]
            names = [model.label for model in models]
            if len(names) > 1:
                pairs = comparisons.compare_over_datasets(table, names, alpha=self.study["alpha"])
                found += [CategoryDifference(category, pair) for pair in pairs]
        return found

    def _within_tasks(self) -> list[TaskDifference]:
        found: list[TaskDifference] = []
        for task in self.tasks:
            items = {model.label: self._items(model, task) for model in self._compared()}
            known = {label: one for label, one in items.items() if one is not None}
            pairs = list(combinations(known, 2))
            compared = [comparisons.compare_items(known[a], known[b]) for a, b in pairs]
            corrected = comparisons.holm([one.p for one in compared])
            found += [
                TaskDifference(
                    task=task.id,
                    a=a,
                    b=b,
                    corrected=p,
                    separable=p is not None and p <= self.study["alpha"],
                    **asdict(one),
                )
                for (a, b), one, p in zip(pairs, compared, corrected, strict=True)
            ]
        return found

    # The paper

    def _claims(self, over: list[CategoryDifference], within: list[TaskDifference]) -> list[Claim]:
        """Of M4 and M5 against M1, in every category where both are measured."""
        known = {Design.parse(model.label).alias: model for model in self._compared()}
        pairs = [
            (alias, known["M1"], known[alias])
            for alias in ("M4", "M5")
            if {"M1", alias} <= known.keys()
        ]
        return [
            self._claim(category, alias, a, b, over, within)
            for category in self.categories
            for alias, a, b in pairs
        ]

    def _claim(
        self,
        category: str,
        alias: str,
        a: Model,
        b: Model,
        over: list[CategoryDifference],
        within: list[TaskDifference],
    ) -> Claim:
        tasks = self._of(category)
        ids, both = {task.id for task in tasks}, (a.label, b.label)
        pair = next(d.over for d in over if (d.category, d.over.a, d.over.b) == (category, *both))
        inside = [d for d in within if d.task in ids and (d.a, d.b) == both]
        gains = PAPER[category]
        found, why = judged(gains, pair, inside)
        why += f" {alias} is ahead on {self._wins(b, [a, b], tasks)} of {len(tasks)} tasks."
        said = "helps" if gains else "no reliable gain"
        return Claim(category, "M1", alias, said, found, why)

    # What was run

    def _curves(self) -> list[Curve]:
        return [
            Curve(
                cell["label"],
                cell["seed"],
                tuple(
                    (number, loss if phase == "contrastive" else None, held_out)
                    for number, phase, loss, _, held_out in cell["history"]
                ),
            )
            for cell in self.done
            if cell.get("history")
        ]

    def _ran(self) -> list[Ran]:
        return [
            Ran(
                str(cell),
                found.get("status", "not run"),
                found.get("error", ""),
                found.get("seconds"),
            )
            for cell, found in self.expected
        ]

    def _notes(self) -> list[str]:
        study, notes = self.study, []
        missing = len(self.expected) - len(self.done)
        if missing:
            notes.append(
                f"{missing} of {len(self.expected)} cells are not done: this report is of a part."
            )
        if study["recipe"] and len(study["seeds"]) == 1:
            notes.append("One seed: how far another would have led elsewhere is not known.")
        if study["recipe"] and len(study["seeds"]) > 1:
            notes.append(
                f"Every verdict is of the {len(study['seeds'])} seeds that were run, averaged: "
                "their spread stands beside the scores and enters no test."
            )
        data = self.about.get("data") or {}
        if data.get("in_domain"):
            notes.append(
                f"Trained on {data['title']}: in-domain for {', '.join(data['in_domain'])}, which "
                "training helps more there than elsewhere."
            )
        words = {task["words"] for task in study["tasks"] if task["words"]}
        if words:
            notes.append(f"Only the first {max(words)} words of every text were read.")
        untrained = [m for m in self._compared() if not m.seeds and study["recipe"]]
        if untrained:
            names = ", ".join(design_title(model.label) for model in untrained)
            notes.append(f"Not trained, having nothing that this recipe trains: {names}.")
        notes += [f"{c['label']}: {c['warning']}" for c in self.done if c.get("warning")]
        return notes


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


#: A difference smaller than this, two points, is called no gain where the interval excludes more.
RELEVANT = 0.02
#: What the paper concluded, in words, of M4 and M5 against M1: by category, whether it saw a gain.
PAPER = {"STS": True, "Retrieval": True, "Classification": False, "Clustering": False}
AGREES, DISAGREES, CANNOT_TELL = "agrees", "disagrees", "cannot tell"


def judged(
    gains: bool, over: DatasetComparison, within: Sequence[TaskDifference]
) -> tuple[str, str]:
    """Whether a study agrees that ``b`` gains on ``a``, or that it does not, and from what."""
    if over.why is None:
        sign = int(np.sign(over.difference or 0)) if over.separable else 0
        highest = over.high
        basis = f"over {over.n} datasets, {over.verdict}"
    else:
        signs = {int(np.sign(d.difference or 0)) if d.separable else 0 for d in within}
        sign = signs.pop() if len(signs) == 1 else 0
        highs = [d.high for d in within]
        highest = None if None in highs or not highs else max(h for h in highs if h is not None)
        separable = sum(d.separable for d in within)
        basis = (
            f"on average; {over.n} datasets are too few for a test over them, and it is separable "
            f"within {separable} of {len(within)}"
        )
    change = "no score" if over.difference is None else f"{100 * over.difference:+.1f} points"
    why = f"{change} {basis}."
    if gains:
        return {1: AGREES, 0: CANNOT_TELL, -1: DISAGREES}[sign], why
    if sign > 0:
        return DISAGREES, why
    if sign < 0:
        return AGREES, why
    if highest is not None and highest < RELEVANT:
        return AGREES, f"{why} A gain above {100 * RELEVANT:.0f} points is outside the interval."
    return CANNOT_TELL, why
