"""Pair classification, reranking and summarisation in a report, as the four that were there."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from support.study_reports import SEVEN, made_up_seven, seven_folder

from embedlab.analysis.tasks import CATEGORY_MEASURES
from embedlab.cli.study import _scores
from embedlab.errors import EmbedLabError
from embedlab.render.study_page import page, scores_csv, write_report
from embedlab.render.study_sections import sections
from embedlab.study.definition import load_study
from embedlab.study.folder import read_results
from embedlab.study.report import read_report, within_task
from embedlab.study.shipped import shipped_reports


@pytest.fixture(scope="module")
def report():
    return made_up_seven()


def test_scores_are_those_of_sklearn_and_stand_in_the_order_of_categories(report, tmp_path):
    assert report.categories == ("STS", "PairClassification", "Reranking", "Summarization")
    record, cells = read_results(seven_folder(tmp_path / "seven"))
    cell = next(cell for cell in cells if cell.label == "causal/mean")
    items = next(task.items for task in cell.tasks if task.id == "pairs-a")
    model = [model.label for model in report.models].index("causal/mean")
    score = next(s for s in report.scores if (s.model, s.task) == (model, "pairs-a"))
    assert score.score == pytest.approx(average_precision_score(items.gold, items.values))
    assert score.low < score.score < score.high and score.n == 60
    assert len(record.tasks) == len(SEVEN)


def test_every_category_is_tested_within_its_tasks_and_over_datasets(report):
    for _, id_, _ in SEVEN:
        pairs = {(one.a, one.b): one for one in within_task(report, id_)}
        better = pairs["causal/eos", "causal/mean"]
        assert better.separable and better.difference > 0 and better.low > 0
        assert len(pairs) == 3 and better.corrected >= better.p
        assert not pairs["causal/eos", "bidirectional/mean"].separable
    over = {one.category for one in report.over_datasets}
    assert over == set(report.categories)  # too few datasets for a p-value, and each says so
    assert all("No p-value" in one.over.why for one in report.over_datasets)
    summary = dict(zip(report.categories, report.summary[1].means, strict=True))
    pairs_scores = [s.score for s in report.scores if s.model == 1 and s.task.startswith("pairs")]
    assert summary["PairClassification"] == pytest.approx(np.mean(pairs_scores))


def test_they_have_their_sections_figures_and_names(report):
    titles = [section.title for section in sections(report)]
    assert {"STS", "Pair classification", "Reranking", "Summarisation"} <= set(titles)
    section = next(s for s in sections(report) if s.title == "Pair classification")
    assert {"gains", "scores"} <= section.figures.keys()
    assert "Pair classification" in section.figures["scores"].figure.layout.title.text
    html = page(report)
    assert "PairClassification" not in html and "Summarization" not in html
    for words in ("average precision", "MAP", "Spearman by text", "MRR 62.5"):
        assert words in html
    assert "Pair classification" in _scores(report) and "Summarisation" in _scores(report)


def test_other_measures_are_rows_of_their_own_and_go_where_the_report_goes(report, tmp_path):
    rows = list(csv.DictReader(io.StringIO(scores_csv(report))))
    mrr = [row for row in rows if row["measure"] == "mrr"]
    assert len(mrr) == len(report.models) and {row["score"] for row in mrr} == {"0.625"}
    assert len(rows) == len(report.scores) + len(mrr)
    write_report(report, tmp_path)
    assert read_report(tmp_path / "report.json") == report
    assert (tmp_path / "report.json").read_text().count('"also"') == len(report.models)


def test_a_hostile_name_of_a_measure_stays_text(report, tmp_path):
    text = report.to_json().replace('"mrr"', '"<script>alert(1)</script>"')
    path = Path(tmp_path / "report.json")
    path.write_text(text)
    assert "<script>alert(1)" not in page(read_report(path))
    path.write_text(report.to_json().replace('"mrr": 0.625', '"mrr": "high"'))
    with pytest.raises(EmbedLabError, match="holds no study report"):
        read_report(path)


def test_the_measured_study_ships_and_opens():
    [path] = [path for title, path in shipped_reports().items() if title.startswith("Seven")]
    report = read_report(path)
    assert set(report.categories) == set(CATEGORY_MEASURES)
    assert {task.id for task in report.tasks} == {task.id for task in load_study("seven").tasks}
    assert report.facts.digest == load_study("seven").digest
    assert all({"mrr"} == s.also.keys() for s in report.scores if s.task.endswith("reranking"))


def test_the_preset_measures_all_seven():
    study = load_study("seven")
    assert {task.category for task in study.tasks} == {
        *("STS", "Retrieval", "Classification", "Clustering"),
        *("PairClassification", "Reranking", "Summarization"),
    }
    sources = {t.cluster for t in study.tasks if t.category == "PairClassification"}
    assert len(sources) == 6  # as many as a p-value over datasets needs
