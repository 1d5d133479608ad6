"""The effect of each choice of a grid, on made-up scores whose effects are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wilcoxon
from support.study_reports import GRID_GAINS, GRID_SOURCES, made_up_grid

from embedlab import Design, EmbedLabError
from embedlab.study.effects import choices, effects, means_by_two
from embedlab.study.report import Report, read_report


@pytest.fixture(scope="module")
def report() -> Report:
    return made_up_grid()


def scores_of(report: Report) -> dict[str, dict[str, float]]:
    """By design and task, from the report's own list of scores."""
    found: dict[str, dict[str, float]] = {}
    for one in report.scores:
        model = report.models[one.model]
        if model.kind != "yardstick":
            found.setdefault(model.label, {})[one.task] = one.score
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("causal/eos", ("causal", "none", "last token", "none")),
        ("causal/last?template=topic", ("causal", "topic", "last token", "none")),
        ("causal/last+centre", ("causal", "none", "last", "+centre")),
        ("causal/eos?template=topic", ("causal", "topic", "eos", "none")),
        (
            "rerouted/mean@3..5+filter1.5+centre?query=a%20&band=4..9",
            ("rerouted[4..9]", "a  / none", "mean@3..5", "+filter1.5+centre"),
        ),
        ("causal/mean?template=echo&pool=second", ("causal", "echo", "mean of second", "none")),
    ],
)
def test_the_choices_of_a_design(text, expected):
    assert choices(Design.parse(text)) == expected


def test_every_choice_has_its_gain_averaged_over_the_others(report):
    assert report.grid is not None
    found = {(one.factor, one.over.b): one for one in report.grid.effects}
    assert list(found) == [
        ("attention", "bidirectional"),
        ("template", "topic"),
        ("pooling", "mean"),
        ("steps", "+centre"),
        ("steps", "+filter2"),
    ]
    for (_, level), one in found.items():
        assert one.over.n == GRID_SOURCES
        assert one.over.difference == pytest.approx(GRID_GAINS[level], abs=0.003)
        assert one.over.low < one.over.difference < one.over.high
        assert one.over.separable is (GRID_GAINS[level] != 0)
        assert one.designs == (8 if level.startswith("+") else 12)
        assert one.by_category == pytest.approx([GRID_GAINS[level]] * 4, abs=0.01)


def test_an_effect_is_the_mean_over_matched_pairs_by_hand(report):
    scores = scores_of(report)
    tasks = [task.id for task in report.tasks]
    pairs = [
        ("causal/eos", "causal/eos+centre"),
        ("causal/mean", "causal/mean+centre"),
        ("causal/last?template=topic", "causal/last+centre?template=topic"),
        ("causal/mean?template=topic", "causal/mean+centre?template=topic"),
    ]
    pairs += [tuple(one.replace("causal", "bidirectional") for one in pair) for pair in pairs]
    gains = [np.mean([scores[b][task] - scores[a][task] for a, b in pairs]) for task in tasks]
    one = next(one for one in report.grid.effects if one.over.b == "+centre")
    assert one.over.difference == pytest.approx(np.mean(gains), abs=2e-6)
    assert one.over.p == pytest.approx(wilcoxon(gains).pvalue, abs=1e-6)
    assert one.over.corrected == pytest.approx(5 * one.over.p, abs=5e-6)


def test_a_missing_design_leaves_its_pairs_out_and_sources_count_once():
    rows = {
        "causal/mean": np.array([0.1, 0.3, 0.2]),
        "causal/mean+centre": np.array([0.2, 0.5, np.nan]),
        "causal/value_mean": np.array([0.0, 0.0, 0.0]),
        "causal/value_mean+centre": np.array([0.3, 0.1, 0.5]),
        "causal/eos": np.array([0.9, 0.9, 0.9]),
    }
    categories, order = ["STS", "STS", "Clustering"], ["STS", "Clustering"]
    found = effects(rows, categories, ["x", "x", "y"], order=order)
    by_level = {one.over.b: one for one in found}
    centre = by_level["+centre"]
    # On the tasks 0.2, 0.15 and 0.5; the first two are of one source.
    assert centre.over.difference == pytest.approx((0.175 + 0.5) / 2)
    assert (centre.over.n, centre.designs) == (2, 2)
    assert centre.by_category == pytest.approx([0.175, 0.5])
    assert centre.over.p is None and "at least 6" in centre.over.why
    assert by_level["last token"].designs == 1


def test_every_design_with_its_means_and_gains(report):
    scores, grid = scores_of(report), report.grid
    assert len(grid.designs) == 24
    assert [one.mean for one in grid.designs] == sorted(
        (one.mean for one in grid.designs), reverse=True
    )
    best = grid.designs[0]
    assert best.label == "causal/mean+centre?template=topic"
    assert best.mean == pytest.approx(np.mean(list(scores[best.label].values())), abs=2e-6)
    first_two = [scores[best.label][f"task-{i}"] for i in (0, 1)]
    assert best.means[0] == pytest.approx(np.mean(first_two), abs=2e-6)
    assert [gain.over.a for gain in best.gains] == ["causal/eos", "causal/mean"]
    assert best.gains[0].over.difference == pytest.approx(0.3, abs=0.01)
    # Every one of eight tasks is separable over its 40 items, after Holm over 45 pairs.
    assert (best.gains[0].better, best.gains[0].worse) == (GRID_SOURCES, 0)
    worst = grid.designs[-1]
    assert worst.label.startswith("bidirectional") and worst.gains[0].worse == GRID_SOURCES
    assert next(one for one in grid.designs if one.label == "causal/eos").gains == ()
    assert not any(one.over.separable for d in grid.designs for one in d.gains)
    assert "under Holm's correction" in best.gains[0].over.why


def test_means_by_two_choices(report):
    grid = report.grid
    down, across, means = means_by_two(
        [one.choices for one in grid.designs], [one.mean for one in grid.designs], 0, 1
    )
    assert (set(down), set(across)) == ({"causal", "bidirectional"}, {"none", "topic"})
    cell = [one.mean for one in grid.designs if one.choices[:2] == (down[1], across[0])]
    assert means[1, 0] == pytest.approx(np.mean(cell)) and len(cell) == 6


def test_the_report_is_read_as_it_was_written(report, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(report.to_json())
    assert read_report(path) == report
    short = report.to_json().replace('"bidirectional", "none"', '"bidirectional"', 1)
    path.write_text(short)
    with pytest.raises(EmbedLabError, match="one choice for each factor"):
        read_report(path)
