"""The figures of lessons that are about the study that ships: each is read from its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from embedlab.errors import EmbedLabError, check_known
from embedlab.lab.figure_values import Asked, chance, points, signed, whole, yes_or_no
from embedlab.lab.lessons import FigureValue
from embedlab.models.design import Design
from embedlab.progress import Progress

if TYPE_CHECKING:
    from embedlab.study.comparisons import DatasetComparison
    from embedlab.study.report import Report, Summary

#: The two ends of a training.
WHEN = ("before", "after")


def steps(asked: Asked) -> FigureValue:
    """The steps of a training."""
    return whole(_recipe(asked, "steps"))


def batch(asked: Asked) -> FigureValue:
    """The pairs of a step."""
    return whole(_recipe(asked, "batch"))


def seeds(asked: Asked) -> FigureValue:
    """How often each design was trained."""
    return whole(max(len(model.seeds) for model in _report(asked).models))


def score(asked: Asked) -> FigureValue:
    """A design's mean score in a category, ``before`` or ``after`` its training, ×100."""
    report = _report(asked)
    summary = _summary(report, asked.design, asked.figure.when or "after")
    return points(summary.means[_category(asked, report)], "score")


def spread(asked: Asked) -> FigureValue:
    """The standard deviation of a trained design's mean score over seeds, ×100."""
    report = _report(asked)
    summary = _summary(report, asked.design, "after")
    found = summary.seed_sds[_category(asked, report)]
    # One training is no sample, and a lesson has more to say than its spread.
    return FigureValue(number=0, words="?") if found is None else points(found, "spread")


def gain(asked: Asked) -> FigureValue:
    """By how much ``design``, trained, scores more than ``against``, over independent sources."""
    return signed(_over(asked).difference, "difference")


def low(asked: Asked) -> FigureValue:
    """The lower end of that gain's 95 % interval."""
    return signed(_over(asked).low, "interval")


def high(asked: Asked) -> FigureValue:
    """Its upper end."""
    return signed(_over(asked).high, "interval")


def better(asked: Asked) -> FigureValue:
    """1 where ``design`` is separably better than ``against``, else 0."""
    over = _over(asked)
    return yes_or_no(over.separable and (over.difference or 0) > 0)


def sources(asked: Asked) -> FigureValue:
    """Over how many independent sources of texts the two were compared."""
    return whole(_over(asked).n)


def p(asked: Asked) -> FigureValue:
    """The exact Wilcoxon p of that comparison, not corrected."""
    return chance(_over(asked).p)


def smallest_p(asked: Asked) -> FigureValue:
    """The smallest p that so many sources can give, all of them on one side: 2 / 2ⁿ."""
    return chance(2.0 ** (1 - _over(asked).n))


def comparisons(asked: Asked) -> FigureValue:
    """How many pairs of designs were compared in a category."""
    return whole(len(_pairs(asked)))


def alpha(asked: Asked) -> FigureValue:
    """The chance of any false "separable" that the study allows itself, in %."""
    return whole(100 * _report(asked).alpha)


def needed_p(asked: Asked) -> FigureValue:
    """The p that the first of these comparisons has to reach under Holm's correction."""
    return chance(_report(asked).alpha / len(_pairs(asked)))


def held_out(asked: Asked) -> FigureValue:
    """The score on pairs that are not trained on, ``before`` or ``after``: the mean over seeds."""
    return points(_held_out(asked, asked.figure.when), "held-out score")


def learned(asked: Asked) -> FigureValue:
    """By how much a training raised that score."""
    before, after = (_held_out(asked, when) for when in WHEN)
    return signed(after - before, "held-out score")


#: Every measure of the study, by its name in a lesson.
STUDY = {
    f"study_{function.__name__}": function
    for function in (
        *(steps, batch, seeds, score, spread, gain, low, high, better, sources),
        *(p, smallest_p, comparisons, alpha, needed_p, held_out, learned),
    )
}


def _report(asked: Asked) -> Report:
    """The first report that ships and compares its designs in pairs: that of the paper's."""

    def read(_: Progress) -> Report:
        from embedlab.study.report import read_report
        from embedlab.study.shipped import shipped_reports

        for path in shipped_reports().values():
            report = read_report(path)
            if report.grid is None:
                return report
        raise EmbedLabError("no study of trained designs ships with this installation.")

    return asked.lab.compute(("shipped study",), read, asked.progress)


def _recipe(asked: Asked, name: str) -> int:
    recipe: dict[str, Any] = _report(asked).facts.recipe or {}
    if not isinstance(recipe.get(name), int):
        raise EmbedLabError(f"the study's recipe has no {name!r}.")
    return int(recipe[name])


def _category(asked: Asked, report: Report) -> int:
    """The number of the category that is asked for, by default the first."""
    name = asked.figure.category or report.categories[0]
    check_known(name, "a category of the study", report.categories)
    return report.categories.index(name)


def _summary(report: Report, design: Design, when: str) -> Summary:
    check_known(when, "a moment of a training", WHEN)
    kind = {"before": "untrained", "after": "trained"}[when]
    for model, summary in zip(report.models, report.summary, strict=True):
        if model.kind == kind and model.label == str(design):
            return summary
    raise EmbedLabError(f"the study has no {kind} {design}.")


def _pairs(asked: Asked) -> list[DatasetComparison]:
    report = _report(asked)
    category = report.categories[_category(asked, report)]
    return [one.over for one in report.over_datasets if one.category == category]


def _over(asked: Asked) -> DatasetComparison:
    """The gain of the design on the one it is compared with."""
    from embedlab.study.report import against

    for one in against(_pairs(asked), str(asked.against)):
        if one.b == str(asked.design):
            return cast("DatasetComparison", one)
    raise EmbedLabError(f"the study does not compare {asked.design} with {asked.against}.")


def _held_out(asked: Asked, when: str) -> float:
    """The first or the last held-out score of the design, averaged over its trainings."""
    check_known(when, "a moment of a training", WHEN)
    report, at = _report(asked), -WHEN.index(when)
    curves = [curve.points for curve in report.curves if curve.label == str(asked.design)]
    scored = [[score for _, _, score in points if score is not None] for points in curves]
    ends = [scores[at] for scores in scored if scores]
    if not ends:
        raise EmbedLabError(f"the study has no held-out score of {asked.design}.")
    return sum(ends) / len(ends)
