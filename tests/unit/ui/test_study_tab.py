"""The Study tab without a browser: the shipped report, uploads and the choices."""

from __future__ import annotations

import json
import re
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from support.study_reports import HOSTILE, grid_folder, made_up, made_up_grid

from embedlab.errors import EmbedLabError
from embedlab.lab.config import Limits
from embedlab.progress import no_progress
from embedlab.render.study_page import FILES
from embedlab.render.study_sections import EVERY_PAIR
from embedlab.study.report import Report, read_uploaded
from embedlab.study.shipped import shipped_reports
from embedlab.ui.shared.session import Sessions
from embedlab.ui.tabs.study.tab import UPLOADED, StudyTab

MB = 10**6
SHIPPED, GRID = "made up", "a grid"


@pytest.fixture(scope="module")
def report() -> Report:
    return made_up()


@pytest.fixture
def shipped(report: Report, tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    path.write_text(report.to_json())
    return path


def tab_on(path: Path | None, **more: Path) -> StudyTab:
    paths = ({} if path is None else {SHIPPED: path}) | more
    with gr.Blocks(), gr.Tab("Study") as tab:
        return StudyTab(tab, Limits(max_upload_mb=1), Sessions(), paths)


def first(tab: StudyTab, which: str = "") -> dict:
    return tab._first({tab.which: which}, no_progress)


def opening(tab: StudyTab, path: str | None) -> dict:
    return tab._open({tab.file: path}, no_progress)


def choose(
    tab: StudyTab, category: str, reference: str, task: str = "", which: str = SHIPPED
) -> dict:
    values = {tab.which: which, tab.uploaded: None, tab.category: category}
    return tab._choose({**values, tab.reference: reference, tab.task: task}, no_progress)


def test_it_opens_on_the_shipped_results_and_reads_them_once(shipped: Path, report: Report) -> None:
    tab = tab_on(shipped)
    view = first(tab)
    assert view[tab.which] == SHIPPED and view[tab.uploaded] is None and view[tab.empty] == ""
    assert "made up" in view[tab.head.text] and view[tab.scores.text].count("<tr>") == 1 + len(
        report.models
    )
    assert view[tab.category]["choices"] == [("STS", "STS"), ("Clustering", "Clustering")]
    assert "embedlab study made-up.yaml --out results" in view[tab.code]
    assert set(first(tab, SHIPPED)) == {tab.which}  # shown already: nothing is drawn again
    shipped.unlink()
    assert first(tab)[tab.which] == SHIPPED  # nor read again


def test_without_shipped_results_it_says_how_to_get_some() -> None:
    tab = tab_on(None)
    view = first(tab)
    assert "embedlab study minutes" in view[tab.empty] and view[tab.which] == ""
    assert view[tab.body]["visible"] is False


def test_the_choices_of_category_reference_and_task_change_the_figures(
    shipped: Path, report: Report
) -> None:
    tab = tab_on(shipped)
    view = choose(tab, "STS", "causal/eos")
    assert view[tab.of_category.figures["gains"]]["figure"]["data"][0]["name"] == "separable"
    assert "n = 9 independent datasets" in json.dumps(
        view[tab.of_category.figures["gains"]]["figure"]
    )
    lines = view[tab.of_category.figures["matrix"]]["csv"].splitlines()
    assert len(lines) == 2 + 6 and "study made up" in lines[0]
    assert view[tab.task]["value"] == "sts-0" and len(view[tab.task]["choices"]) == 9
    view = choose(tab, "Clustering", EVERY_PAIR, "sts-0")
    assert (
        view[tab.of_category.figures["matrix"]] is None
        and "at least 6 are needed" in view[tab.of_category.text]
    )
    assert len(view[tab.of_category.figures["gains"]]["csv"].splitlines()) == 2 + 6
    assert view[tab.task]["value"] == "news"
    view = choose(tab, "STS", "causal/mean", "sts-3")
    rows = view[tab.of_task.figures["gains"]]["csv"].splitlines()[2:]
    assert len(rows) == 3 and all(row.startswith("causal/mean,") for row in rows)
    gain = next(
        one
        for one in report.within_tasks
        if (one.task, one.a, one.b) == ("sts-3", "causal/eos", "causal/mean")
    )
    assert float(next(r for r in rows if ",causal/eos," in r).split(",")[3]) == pytest.approx(
        -gain.difference, rel=1e-5
    )


def test_another_shipped_report_is_opened_with_what_suits_many_designs(
    shipped: Path, tmp_path: Path
) -> None:
    path = tmp_path / "grid.json"
    path.write_text(made_up_grid().to_json())
    tab = tab_on(shipped, **{GRID: path})
    assert tab.shipped.visible and tab.shipped.value == SHIPPED
    view = first(tab)
    assert (view[tab.many]["visible"], view[tab.few]["visible"]) == (False, True)
    view = tab._choose_shipped({tab.shipped: GRID}, no_progress)
    assert (view[tab.many]["visible"], view[tab.few]["visible"]) == (True, False)
    assert view[tab.which] == GRID == view[tab.shipped]["value"] and view[tab.uploaded] is None
    assert "template topic +15.0 on none" in view[tab.effects.text]
    lines = view[tab.effects.figures["effects"]]["csv"].splitlines()
    assert len(lines) == 2 + 5 and lines[2].startswith("attention,bidirectional,causal,-0.")
    assert view[tab.designs.text].count("<tr>") == 1 + 24
    assert "data-filter" in view[tab.designs.text]
    pairs = view[tab.two]["choices"]
    assert len(pairs) == 6 and pairs[0] == "attention × template"
    values = {tab.which: GRID, tab.uploaded: None, tab.two: "template × pooling"}
    matrix = tab._choose_two(values, no_progress)[tab.by_two.figures["matrix"]]
    assert matrix["csv"].splitlines()[1] == "template,pooling,mean"
    # A visitor whose page shows something that is gone is told so.
    with pytest.raises(EmbedLabError, match="open its file again"):
        tab._choose_two(values | {tab.which: "gone"}, no_progress)


def test_the_shipped_reports_are_those_whose_folders_are_there(tmp_path: Path) -> None:
    assert shipped_reports(tmp_path) == {}
    for name in ("study", "study-grid/one"):
        folder = grid_folder(tmp_path / name)
        (folder / "report.json").write_text("{}")
    (tmp_path / "study-grid" / "two").mkdir()
    (tmp_path / "study" / "study.json").unlink()
    assert shipped_reports(tmp_path) == {
        "study": tmp_path / "study" / "report.json",
        "grid: 24 designs · tiny": tmp_path / "study-grid" / "one" / "report.json",
    }
    trained = tmp_path / "study-trained" / "report.json"
    trained.parent.mkdir()
    trained.write_text("{}")
    assert list(shipped_reports(tmp_path).values())[:2] == [
        tmp_path / "study" / "report.json",  # the tab opens on it, and lessons are about it
        trained,
    ]


def test_an_uploaded_report_is_shown_until_it_is_cleared(
    shipped: Path, report: Report, tmp_path: Path
) -> None:
    tab, path = tab_on(shipped), tmp_path / "uploaded.json"
    hostile = {"name": HOSTILE, "notes": (HOSTILE,), "changes": (HOSTILE, "M5 now above M1")}
    path.write_text(replace(report, **hostile).to_json())
    view = opening(tab, str(path))
    assert "<li>M5 now above M1</li>" in view[tab.changed.text]
    assert view[tab.which] == UPLOADED and view[tab.uploaded].name == HOSTILE
    assert view[tab.shipped]["value"] is None  # so that any of them can be chosen again
    assert "<script" not in json.dumps({str(k): v for k, v in view.items() if isinstance(v, str)})
    assert "made up" in first(tab)[tab.head.text]  # nobody else sees it
    assert opening(tab, None)[tab.which] == SHIPPED
    with pytest.raises(EmbedLabError, match="open its file again"):
        choose(tab, "STS", "causal/eos", which=UPLOADED)  # it is stored for an hour only


def test_every_file_can_be_downloaded_and_nothing_else(shipped: Path, report: Report) -> None:
    tab = tab_on(shipped)

    def take(data: Any) -> dict[str, Any]:
        return tab._download(
            {tab.which: SHIPPED, tab.uploaded: None}, no_progress, types.SimpleNamespace(_data=data)
        )

    for name, made in FILES.items():
        assert take({"name": name})["text"] == made(report)
    for data in ({"name": "../study.json"}, {}, None, "report.json"):
        with pytest.raises(EmbedLabError, match="no such file"):
            take(data)


def changed(report: Report, **values: Any) -> str:
    return json.dumps(json.loads(report.to_json()) | values)


def test_a_file_that_is_no_report_is_refused_in_a_sentence(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for text in ("", "not json", "[]", '{"name": "x"}'):
        path.write_text(text)
        with pytest.raises(EmbedLabError, match="holds no study report"):
            read_uploaded(path, MB)
    path.write_bytes(b" " * (MB + 1))
    with pytest.raises(EmbedLabError, match="up to 1 MB can be opened"):
        read_uploaded(path, MB)


@pytest.mark.parametrize(
    ("part", "key", "value", "problem"),
    [
        ("scores", "model", 99, "the model '99' is named but not listed"),
        ("scores", "model", -1, "model is -1; it must be at least 0"),
        ("scores", "task", "elsewhere", "the task 'elsewhere' is named but not listed"),
        ("scores", "score", float("nan"), "score is nan; it must be a number"),
        ("scores", "points", 3, "unknown key 'points'; known are model"),
        ("tasks", "category", "elsewhere", "the category 'elsewhere' is named but not listed"),
        ("summary", "means", [], "one mean for each category"),
        ("within_tasks", "a", "<script>", "'<script>' is not a design"),
        ("models", "label", "neither/nor", "'neither' is not a known attention"),
        ("curves", "label", "x", "'x' is not a design"),
    ],
)
def test_a_report_that_contradicts_itself_is_refused(
    report: Report, tmp_path: Path, part: str, key: str, value: Any, problem: str
) -> None:
    rows = json.loads(report.to_json())[part]
    rows[-1][key] = value
    path = tmp_path / "report.json"
    path.write_text(changed(report, **{part: rows}))
    with pytest.raises(EmbedLabError, match=f"'report.json' .*{re.escape(problem)}"):
        read_uploaded(path, MB)


def test_a_report_that_no_page_can_show_is_refused(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(changed(report, alpha=2.0))
    with pytest.raises(EmbedLabError, match=r"alpha is 2\.0; it must be less than 1"):
        read_uploaded(path, MB)
    models = [
        {"label": f"causal/mean@{i}", "kind": "trained", "seeds": [0], "compared": False}
        for i in range(401)
    ]
    summary = [json.loads(report.to_json())["summary"][0]] * len(models)
    path.write_text(changed(report, models=models, summary=summary))
    with pytest.raises(EmbedLabError, match="401 designs on 10 tasks"):
        read_uploaded(path, MB)
