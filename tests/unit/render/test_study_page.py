"""A study's files: complete, equal to the report, self-contained, and without foreign markup."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.study_reports import HOSTILE, made_up, made_up_grid

from embedlab.errors import EmbedLabError
from embedlab.render.study_page import FILES, differences_csv, page, scores_csv, write_report
from embedlab.render.study_sections import sections
from embedlab.study.report import Ran, Report, read_report


@pytest.fixture(scope="module")
def report() -> Report:
    return made_up()


class Page(HTMLParser):
    """The tags of a page with their attributes, its visible text, and its styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words, self.styles, self._inside = "", "", ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.styles += data
        elif self._inside != "script":
            self.words += data


def hostile(report: Report) -> Report:
    """The report with markup wherever people or libraries wrote something."""
    models = tuple(
        replace(model, label=HOSTILE) if model.kind == "yardstick" else model
        for model in report.models
    )
    return replace(
        report,
        name=HOSTILE,
        models=models,
        summary=tuple(replace(row, title=HOSTILE) for row in report.summary),
        tasks=tuple(
            replace(task, title=HOSTILE, source=HOSTILE, measure=HOSTILE) for task in report.tasks
        ),
        claims=tuple(replace(claim, why=HOSTILE, said=HOSTILE) for claim in report.claims),
        ran=(Ran(HOSTILE, "failed", HOSTILE, None),),
        notes=(HOSTILE,),
        facts=report.facts.model_copy(
            update={"command": HOSTILE, "hardware": HOSTILE, "data": {"title": HOSTILE}}
        ),
    )


def test_a_report_is_written_whole_and_read_again(report: Report, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "results"
    paths = write_report(report, folder)
    assert [path.name for path in paths] == list(FILES)
    assert {path.name for path in folder.iterdir()} == set(FILES)  # nothing half-written
    assert read_report(folder / "report.json") == report
    assert (folder / "report.html").read_text() == page(report)  # the same report, the same file


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(report, tmp_path)
    before = (tmp_path / "scores.csv").read_text()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(EmbedLabError, match=r"report\.json could not be stored: the disk is full"):
        write_report(report, tmp_path)
    assert (tmp_path / "scores.csv").read_text() == before


def test_the_tables_hold_the_reports_numbers(report: Report) -> None:
    scores = list(csv.DictReader(io.StringIO(scores_csv(report))))
    assert len(scores) == len(report.models) * len(report.tasks) == len(report.scores)
    for row, score in zip(scores, report.scores, strict=True):
        model = report.models[score.model]
        assert (row["model"], row["kind"], row["task"]) == (model.label, model.kind, score.task)
        for key in ("score", "low", "high", "seed_sd"):
            value = getattr(score, key)
            assert row[key] == "" if value is None else float(row[key]) == value
        assert int(row["n"]) == score.n
        assert tuple(map(int, row["seeds"].split())) == model.seeds
    rows = list(csv.DictReader(io.StringIO(differences_csv(report))))
    pairs = [*(one.over for one in report.over_datasets), *report.within_tasks]
    assert len(rows) == len(pairs) and {row["scope"] for row in rows} == {
        "over datasets",
        "within task",
    }
    for row, one in zip(rows, pairs, strict=True):
        assert (row["a"], row["b"], row["verdict"]) == (one.a, one.b, one.verdict)
        for key in ("difference", "low", "high", "p", "corrected", "effect"):
            value = getattr(one, key, None)
            assert row[key] == "" if value is None else float(row[key]) == value
    clustering = next(row for row in rows if row["category"] == "Clustering")
    assert "at least 6" in clustering["why"] and clustering["p"] == ""


def test_a_cell_that_looks_like_a_formula_is_text(report: Report) -> None:
    models = (replace(report.models[0], label="=1+1"), *report.models[1:])
    first = next(csv.DictReader(io.StringIO(scores_csv(replace(report, models=models)))))
    assert first["model"] == "'=1+1"


def test_the_page_needs_nothing_else(report: Report) -> None:
    read = Page(page(report))
    for tag, attributes in read.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert "src" not in attributes and "href" not in attributes
    assert "@import" not in read.styles and "url(" not in read.styles
    assert "prefers-color-scheme: dark" in read.styles and "@media print" in read.styles


def test_the_page_says_what_was_run_and_what_is_separable(report: Report) -> None:
    words = " ".join(Page(page(report)).words.split())
    for sentence in (
        "embedlab study made-up.yaml --out results",
        "2 threads of a made-up CPU",
        "2 pairs left out because they are in a task",
        "α = 0.05 after Holm's correction",
        "The memory did not suffice.",
        "not separable",
        "The smallest difference that a test would detect",
        "at least 6 are needed",
    ):
        assert sentence in words
    assert len(report.claims) == 4
    for claim in report.claims:
        assert claim.found in words and claim.why in words
    first = report.scores[0]
    assert first.score is not None and first.low is not None and first.high is not None
    assert f"{100 * first.score:.1f} [{100 * first.low:.1f} … {100 * first.high:.1f}]" in words


def test_the_page_has_every_section_with_all_its_figures_and_tables(report: Report) -> None:
    source = page(report)
    assert source.count('class="plotly-graph-div"') == sum(
        len(section.figures) for section in sections(report)
    )
    words = Page(source).words
    for section in sections(report):
        assert section.title in words and section.text in source
        assert all(title in words and table in source for title, table in section.tables)


def test_markup_in_names_and_errors_is_inert(report: Report) -> None:
    plain, attacked = page(report), page(hostile(report))
    scripts = re.compile("<script", re.IGNORECASE)
    assert len(scripts.findall(attacked)) == len(scripts.findall(plain))
    assert "&lt;script&gt;alert(&#x27;&#36;&#123;1&#125;" in attacked


def test_a_study_with_nothing_finished_has_a_page(report: Report) -> None:
    bare = replace(
        report,
        models=(),
        scores=(),
        summary=(),
        over_datasets=(),
        within_tasks=(),
        claims=(),
        curves=(),
        ran=(),
    )
    words = Page(page(bare)).words
    assert "No cell of this study is finished" in words and "Nothing was trained." in words
    assert len(scores_csv(bare).splitlines()) == len(differences_csv(bare).splitlines()) == 1


def test_a_page_on_many_designs_says_what_each_choice_does_and_can_be_sorted() -> None:
    report = made_up_grid()
    titles = [section.title for section in sections(report)]
    assert titles[1:4] == [
        *("What each choice does", "Two choices together", "Every design, the best first"),
    ]
    assert "Training" not in titles and "Scores" not in titles
    source = page(report)
    words = " ".join(Page(source).words.split())
    assert "24 designs: shown is what each choice does" in words
    assert "attention bidirectional -20.0 on causal" in words
    assert source.count("data-sort") == 1 + 4 + 1 + 4 + 2 * 3 + 1  # and the script's own
    assert "const element = document;" in source and "sortRows" in source
    gains = next(s for s in sections(report) if s.title == "STS").figures["gains"]
    assert "30 largest" not in str(gains.figure.layout.title)  # 23 fit
    assert all(one.label in words for one in report.grid.designs)
    rows = list(csv.DictReader(io.StringIO(differences_csv(report))))
    effect = next(row for row in rows if row["scope"] == "effect of template")
    assert (effect["a"], effect["b"], effect["verdict"]) == ("none", "topic", "separable")
    assert sum(row["scope"] == "over all sources" for row in rows) == 23 + 22
