"""The figures of a study, checked as data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.study_reports import made_up

from embedlab.errors import EmbedLabError
from embedlab.render.study_figures import difference_plot, p_matrix, score_plot, training_curves
from embedlab.study.comparisons import compare_over_datasets
from embedlab.study.report import Report, against, designs_in, over_datasets, why_no_p, within_task


@pytest.fixture(scope="module")
def report() -> Report:
    return made_up()


def named(figure, name: str):
    return next(trace for trace in figure.data if trace.name == name)


def test_differences_are_in_points_and_filled_where_separable():
    rng = np.random.default_rng(1)
    base = rng.random(12)
    differences = compare_over_datasets(
        [base, base + 0.1 + 0.01 * rng.random(12), base + 0.05 * rng.normal(size=12)],
        ["causal/eos", "causal/mean", "bidirectional/mean"],
    )
    assert [one.separable for one in differences] == [True, False, True]
    figure = difference_plot(differences, "STS", reference="causal/eos")
    yes, no = named(figure, "separable"), named(figure, "not separable")
    assert yes.x == (pytest.approx(100 * differences[0].difference), None)
    assert no.x == (None, pytest.approx(100 * differences[1].difference))
    assert yes.x[0] + yes.error_x.array[0] == pytest.approx(100 * differences[0].high)
    assert yes.x[0] - yes.error_x.arrayminus[0] == pytest.approx(100 * differences[0].low)
    assert (yes.marker.symbol, no.marker.symbol) == ("circle", "circle-open")
    assert figure.layout.shapes[0].x0 == 0  # the line of no difference
    assert "n = 12 datasets" in figure.layout.title.subtitle.text
    assert "points ×100" in figure.layout.xaxis.title.text


def test_a_reversed_pair_has_the_opposite_difference(report: Report):
    differences = over_datasets(report, "STS")
    labels = designs_in(differences)
    assert labels[:3] == [
        "causal/eos",
        "bidirectional/last_layer_trainable",
        "bidirectional/multi_layer_trainable",
    ]
    turned = against(differences, labels[-1])
    assert {one.a for one in turned} == {labels[-1]} and len(turned) == len(labels) - 1
    before = next(one for one in differences if (one.a, one.b) == (labels[0], labels[-1]))
    after = next(one for one in turned if one.b == labels[0])
    assert after == replace(
        before,
        a=before.b,
        b=before.a,
        difference=-before.difference,
        low=-before.high,
        high=-before.low,
        effect=-before.effect,
    )


def test_every_corrected_p_is_in_the_matrix_once(report: Report):
    differences = over_datasets(report, "STS")
    figure = p_matrix(differences, "STS", report.alpha)
    heat = figure.data[0]
    assert sorted(v for v in np.ravel(heat.z) if np.isfinite(v)) == sorted(
        one.corrected for one in differences
    )
    row = [one.corrected for one in differences if one.b == "causal/mean" and one.a == "causal/eos"]
    assert heat.z[-1][0] == row[0] and heat.x[0] == "M1"
    edges = [position for position, _ in heat.colorscale]
    assert edges[1] == report.alpha  # green ends at the level of the tests


def test_without_a_p_there_is_a_sentence(report: Report):
    differences = over_datasets(report, "Clustering")
    assert "1 independent dataset" in why_no_p(differences) and "at least 6" in why_no_p(
        differences
    )
    with pytest.raises(EmbedLabError, match="No p-value"):
        p_matrix(differences, "Clustering", 0.05)
    difference_plot(differences, "Clustering")
    assert why_no_p(over_datasets(report, "STS")) is None
    assert "fewer than two designs" in why_no_p([])
    with pytest.raises(EmbedLabError, match="no difference"):
        difference_plot([], "STS")


def test_within_a_task_the_items_are_counted(report: Report):
    differences = within_task(report, "sts-0")
    figure = difference_plot(differences, "sts-0", unit="items")
    assert "n = 20 items" in figure.layout.title.subtitle.text
    assert len(figure.data[0].y) == len(differences) == 6


def test_scores_show_every_model_and_the_spread_of_its_seeds(report: Report):
    kinds = ("trained", "untrained", "yardstick")
    for column, category in enumerate(report.categories):
        figure = score_plot(report, category)
        for trace, kind in zip(figure.data, kinds, strict=True):
            rows = [s for s in report.summary if s.kind == kind]
            assert list(trace.x) == pytest.approx([100 * s.means[column] for s in rows])
            assert trace.name == kind and trace.showlegend is not False
            spread = [100 * (s.seed_sds[column] or 0) for s in rows]
            assert list(trace.error_x.array) == pytest.approx(spread)
        assert "±" in figure.layout.title.subtitle.text
    with pytest.raises(EmbedLabError, match="run the study"):
        score_plot(replace(report, models=()), "STS")


def test_curves_are_thin_for_a_seed_and_thick_for_their_mean(report: Report):
    figure = training_curves(report)
    labels = list(dict.fromkeys(curve.label for curve in report.curves))
    means = [trace for trace in figure.data if trace.name]
    thin = [trace for trace in figure.data if not trace.name]
    assert len(means) == len(labels) == 4 and len(thin) == len(report.curves) == 7
    assert len({trace.line.color for trace in means}) == 4
    assert list(thin[0].x) == [1, 2, 3] and list(thin[0].y) == pytest.approx([1, 1 / 2, 1 / 3])
    assert all(trace.line.width < means[0].line.width for trace in thin)
    with pytest.raises(EmbedLabError, match="no curve"):
        training_curves(replace(report, curves=()))
