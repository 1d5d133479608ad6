"""What a report concludes, from cells made up that have one right conclusion."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr, wilcoxon

from embedlab.errors import EmbedLabError
from embedlab.study.definition import load_study, study_from
from embedlab.study.findings import AGREES, CANNOT_TELL, DISAGREES, _mteb_cluster, report_of
from embedlab.study.folder import CellResult, StudyFolder
from embedlab.study.report import RunFacts, TaskFacts, read_report

STUDY = study_from(
    {
        "designs": ["causal/mean", "M5", "M1"],
        "seeds": [0, 1],
        "training": {"data": "stsb-train"},
        "untrained": True,
        "tasks": ["stsb", "boolq", "semanlink", "bbc"],
        "words": 9,
    }
)
SHIPPED = Path(__file__).parents[3] / "assets" / "study"
M1, M5 = "causal/eos", "bidirectional/multi_layer_trainable"


def entry(task, gain, seed, rng):
    """Items of one task that score ``gain`` above a common ground."""
    noise = np.random.default_rng(seed)
    if task.category == "STS":
        gold = rng.uniform(0, 5, 60)
        values = gold * (1 + 2 * gain) + noise.normal(0, 4, 60)
        score = spearmanr(values, gold).statistic
        return {
            "id": task.id,
            "score": score,
            "items": {"kind": "pairs", "values": values.tolist(), "gold": gold.tolist()},
        }
    kind = "resamples" if task.category == "Clustering" else "means"
    values = np.clip(rng.uniform(0.2, 0.4, 40) + gain + noise.normal(0, 0.01, 40), 0, 1)
    return {
        "id": task.id,
        "score": values.mean(),
        "items": {"kind": kind, "values": values.tolist(), "gold": None},
    }


def made_up(folder, gains, left_out=()):
    """A study's folder in which M5 gains on M1 by category as given."""
    tasks = [
        TaskFacts(t.id, t.category, t.measure, t.title, "made up", 40, "0") for t in STUDY.tasks
    ]
    data = {"title": "pairs", "in_domain": ["stsb"], "sha256": "0"}
    results = StudyFolder(STUDY, folder)
    results.begin(tasks, RunFacts(data=data))
    for cell in STUDY.cells:
        if cell in left_out:
            continue
        values = {"label": cell.label, "kind": cell.kind, "seed": cell.seed}
        values |= {"study": STUDY.digest, "status": "done", "error": "", "seconds": 1.0}
        scores = []
        for number, task in enumerate(STUDY.tasks):
            gain = gains.get(task.category, 0) if (cell.label, cell.kind) == (M5, "trained") else 0
            seed = 1000 * number + (cell.seed or 0) + 7 * STUDY.cells.index(cell)
            scores.append(entry(task, gain, seed, np.random.default_rng(number)))
        history = [[0, "contrastive", None, 0.0, 0.5], [1, "contrastive", 2.0, 1e-3, None]]
        extra = {"history": history} if cell.kind == "trained" else {}
        results.save(CellResult.model_validate(values | extra | {"tasks": scores}))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    gains = {"STS": 1.5, "Retrieval": -0.1, "Clustering": 0.1}
    return made_up(tmp_path_factory.mktemp("made-up"), gains)


@pytest.fixture(scope="module")
def report(folder):
    return report_of(folder)


@pytest.fixture(scope="module")
def even(tmp_path_factory):
    """The report on a study in which nothing gains, with a cell of another study in its folder."""
    folder = made_up(tmp_path_factory.mktemp("even"), {})
    stray = json.loads(next((folder / "cells").glob("*.json")).read_text(encoding="utf-8"))
    stray |= {"study": "other", "label": "causal/mean@1"}
    (folder / "cells" / "stray.json").write_text(json.dumps(stray), encoding="utf-8")
    return report_of(folder)


def cells_of(folder, label, kind="trained"):
    cells = [json.loads(p.read_text(encoding="utf-8")) for p in (folder / "cells").glob("*.json")]
    return [c for c in cells if (c["label"], c["kind"]) == (label, kind)]


def test_scores_are_means_over_seeds_and_their_spread_is_shown(report, folder):
    cells = cells_of(folder, M5)
    scores = [t["score"] for c in cells for t in c["tasks"] if t["id"] == "boolq"]
    number = next(i for i, m in enumerate(report.models) if (m.label, m.kind) == (M5, "trained"))
    score = next(s for s in report.scores if (s.model, s.task) == (number, "boolq"))
    assert score.score == pytest.approx(np.mean(scores))
    assert score.seed_sd == pytest.approx(np.std(scores, ddof=1))
    assert score.low < score.score < score.high
    assert report.models[number].title == f"M5 · {M5}"


def test_untrained_models_are_shown_and_not_compared(report):
    untrained = [m for m in report.models if m.kind == "untrained"]
    assert len(untrained) == 3
    assert not any(m.compared for m in untrained)
    assert untrained[0].title == "causal/mean, untrained"
    assert {d.over.a for d in report.over_datasets} <= {M1, M5, "causal/mean"}


def test_over_datasets_it_is_scipys_wilcoxon_with_holm_over_all_pairs(report, folder):
    sts = [task.id for task in STUDY.tasks if task.category == "STS"]

    def means(label):
        rows = [{t["id"]: t["score"] for t in c["tasks"]} for c in cells_of(folder, label)]
        return np.array([np.mean([row[i] for row in rows]) for i in sts])

    pair = next(
        d.over for d in report.over_datasets if (d.category, d.over.a, d.over.b) == ("STS", M1, M5)
    )
    parts = dict(zip(sts, means(M5) - means(M1), strict=True))
    sources = ("MSRpar", "MSRvid", "headlines", "images", "answer-answer", "track5.en-en")
    gains = [np.mean([g for name, g in parts.items() if f"-{one}-" in name]) for one in sources]
    expected = wilcoxon(gains, method="exact").pvalue
    assert pair.n == 6 and len(parts) == 12
    assert pair.difference == pytest.approx(np.mean(gains))
    assert pair.p == pytest.approx(expected)
    assert pair.p < pair.corrected <= 3 * pair.p
    assert pair.p == 2 / 2**6 and pair.difference > 0  # all in one direction, and still
    assert not pair.separable and "smallest p is 0.0312, above the 0.0167" in pair.why
    assert any("12 STS tasks come from 6 sources" in note for note in report.notes)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("ArxivClusteringP2P.v2", "ArxivClustering"),
        ("ArxivClusteringS2S", "ArxivClustering"),
        ("CQADupstackAndroidRetrieval", "CQADupstack"),
        ("MTOPIntentClassification", "MTOP"),
        ("STS16", "STS16"),
    ],
)
def test_mteb_tasks_on_one_collection_are_one_source(name, source):
    assert _mteb_cluster(name) == source


def test_below_six_datasets_there_is_no_p_and_a_sentence(report):
    pairs = [d.over for d in report.over_datasets if d.category == "Retrieval"]
    assert all(d.p is None and d.corrected is None and not d.separable for d in pairs)
    assert all("at least 6 are needed" in d.why for d in pairs)


def test_the_papers_claims_are_judged(report):
    claims = {c.category: c for c in report.claims}
    assert all((c.a, c.b) == ("M1", "M5") for c in report.claims)
    assert claims["STS"].found == AGREES
    # Two datasets are too few over datasets; both are separable within, in the other direction.
    assert claims["Retrieval"].found == DISAGREES
    assert "too few" in claims["Retrieval"].why
    assert claims["Clustering"].found == DISAGREES


def test_no_difference_is_not_taken_for_equality(even):
    claims = {c.category: c for c in even.claims}
    assert claims["STS"].found == CANNOT_TELL


def test_within_a_task_all_pairs_of_designs_are_corrected_together(report):
    pairs = [d for d in report.within_tasks if d.task == "boolq"]
    assert len(pairs) == 3
    assert all(d.p <= d.corrected for d in pairs)
    lost = next(d for d in pairs if (d.a, d.b) == (M1, M5))
    assert lost.separable and lost.high < 0


def test_a_part_is_reported_as_a_part(tmp_path):
    left_out = [c for c in STUDY.cells if c.seed == 1 or c.label == "causal/mean"]
    report = report_of(made_up(tmp_path / "s", {}, left_out))
    assert any(f"{len(left_out)} of {len(STUDY.cells)} cells" in note for note in report.notes)
    assert {m.label for m in report.models} == {M1, M5}
    assert all(s.seed_sd is None for s in report.scores)


def test_an_untrained_design_is_not_compared_while_its_training_is_missing(tmp_path):
    left_out = [c for c in STUDY.cells if (c.label, c.kind) == (M5, "trained")]
    report = report_of(made_up(tmp_path / "s", {}, left_out))
    assert (M5, "untrained") in {(m.label, m.kind) for m in report.models}
    assert {(d.over.a, d.over.b) for d in report.over_datasets} == {(M1, "causal/mean")}
    assert report.claims == ()


def test_wins_are_counted_among_the_designs_compared(report, folder):
    retrieval = [task.id for task in STUDY.tasks if task.category == "Retrieval"]

    def means(label):
        rows = [{t["id"]: t["score"] for t in c["tasks"]} for c in cells_of(folder, label)]
        return [np.mean([row[i] for row in rows]) for i in retrieval]

    table = {label: means(label) for label in (M1, M5, "causal/mean")}
    at = report.categories.index("Retrieval")
    for model, summary in zip(report.models, report.summary, strict=True):
        if model.kind == "untrained":
            assert summary.wins == ()
            continue
        best = [max(scores) for scores in zip(*table.values(), strict=True)]
        expected = sum(a == b for a, b in zip(table[model.label], best, strict=True))
        assert summary.wins[at] == expected
    claim = next(c for c in report.claims if c.category == "Retrieval")
    ahead = sum(b > a for a, b in zip(table[M1], table[M5], strict=True))
    assert f"M5 is ahead on {ahead} of 2 tasks" in claim.why


def test_what_to_know_is_noted(report):
    text = " ".join(report.notes)
    assert "in-domain for stsb" in text
    assert "first 9 words" in text
    assert "of the 2 seeds that were run" in text


def test_a_report_is_kept_and_read_again(report, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(report.to_json(), encoding="utf-8")
    assert read_report(path) == report


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"name": 3}', "\0\1"])
def test_what_is_no_report_is_said(content, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EmbedLabError, match=r"'other.json' holds no study report"):
        read_report(path)


def test_a_folder_without_a_study_is_said(tmp_path):
    with pytest.raises(EmbedLabError, match="no results of a study"):
        report_of(tmp_path)


def test_cells_of_another_study_are_not_mixed_in(even):
    assert "causal/mean@1" not in {m.label for m in even.models}


def test_the_shipped_study_is_read_and_written_unchanged(tmp_path):
    texts = report_of(SHIPPED).to_json(), (SHIPPED / "report.json").read_text(encoding="utf-8")
    numbers: tuple[list[float], list[float]] = ([], [])
    new, old = (
        json.loads(text, parse_float=lambda n, to=to: to.append(float(n)))
        for text, to in zip(texts, numbers, strict=True)
    )
    assert new == old  # all but the numbers, which depend on the order of sums
    np.testing.assert_allclose(*numbers, rtol=0, atol=1e-12)
    study = load_study(str(SHIPPED.parent / "studies" / "smollm2.yaml"))
    results, copy = StudyFolder(study, SHIPPED).results(), StudyFolder(study, tmp_path)
    assert len(results) == len(study.cells) == 29
    for result in results:
        copy.save(result)
        old, new = (folder / "cells" / f"{result.name}.json" for folder in (SHIPPED, tmp_path))
        assert json.loads(new.read_text("utf-8")) == json.loads(old.read_text("utf-8"))


def test_an_undefined_score_is_written_and_read_again(tmp_path):
    folder = made_up(tmp_path / "s", {})
    path = next((folder / "cells").glob("*.json"))
    cell = json.loads(path.read_text("utf-8"))
    cell["tasks"][0] |= {"score": float("nan"), "items": None}
    path.write_text(json.dumps(cell), encoding="utf-8")
    result = next(r for r in StudyFolder(STUDY, folder).results() if r.name == path.stem)
    assert np.isnan(result.tasks[0].score)
    StudyFolder(STUDY, folder).save(result)
    assert np.isnan(json.loads(path.read_text("utf-8"))["tasks"][0]["score"])


@pytest.mark.parametrize("change", [{"scores": []}, {"kind": "other"}, {"tasks": "none"}])
def test_a_damaged_cell_is_run_again_and_not_reported(change, tmp_path):
    folder = made_up(tmp_path / "s", {})
    cell = STUDY.cells[0]
    path = folder / "cells" / f"{cell.name}.json"
    assert StudyFolder(STUDY, folder).is_done(cell)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), encoding="utf-8")
    assert not StudyFolder(STUDY, folder).is_done(cell)
    with pytest.raises(EmbedLabError, match="or damaged ones"):
        report_of(folder)
