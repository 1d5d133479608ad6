"""The page in Chromium, on the real backbone: what a visitor sees and does."""

from __future__ import annotations

import csv
import json
import pickle
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, expect
from support.judged_folders import beir_folder
from support.labs import real_lab
from support.scripts import SCRIPTS
from support.serving import ROOT, Served
from support.visitor import Visitor, visiting

from embedlab import Backbone
from embedlab.analysis.comparison import quality
from embedlab.data.file_sets import read_files
from embedlab.data.readers import read_table
from embedlab.data.tables import table_to_corpus
from embedlab.lab.config import load_config
from embedlab.models.design import Design

SENSES = [json.loads(line) for line in (ROOT / "assets/senses.jsonl").read_text().splitlines()]
QUERIES = (ROOT / "assets/senses_queries.jsonl").read_text().splitlines()
#: A key's change of a slider, and at once the old value again, as an answer under way brings it.
UNDONE_WHILE_THE_KEYS_REST = """(slider, value) => {
  const say = name => slider.dispatchEvent(new Event(name, { bubbles: true }));
  const old = slider.value;
  slider.value = value; say('input'); say('change');
  slider.value = old; say('input');
}"""


@pytest.fixture(scope="module")
def first_view(browser: Browser, served: Served) -> Iterator[tuple[Visitor, float]]:
    """A visit that most of these tests share, and how many seconds its map took to appear."""
    start = time.perf_counter()
    with visiting(browser, served.url) as visitor:
        visitor.shows(points="160", method="UMAP")  # prepared
        yield visitor, time.perf_counter() - start


@pytest.fixture
def visitor(first_view: tuple[Visitor, float]) -> Visitor:
    """That visit, with the first corpus's map open; the tests that change designs come last."""
    visitor, _ = first_view
    visitor.tab("Map")
    title = "One word, several senses"
    if visitor.page.locator("#corpus input").input_value() != title:
        visitor.choose("corpus", title)
    visitor.shows(points="160")
    return visitor


def test_first_view_is_there_within_seconds(
    first_view: tuple[Visitor, float], served: Served, record_property: pytest.RecordProperty
) -> None:
    visitor, seconds = first_view
    assert len(visitor.places("a")[0]) == 160
    assert list(visitor.figures()) == [
        "kNN accuracy (k = 10)",
        "V-measure (k-means)",
        "Mean cosine (anisotropy)",
    ]
    print(f"start-up to page {served.start_seconds:.1f} s, page to map {seconds:.1f} s")
    record_property("start_to_page_s", round(served.start_seconds, 1))
    record_property("page_to_map_s", round(seconds, 1))
    assert served.start_seconds < 30 and seconds < 60


def test_selection_and_neighbours(visitor: Visitor) -> None:
    visitor.click_point("a", 5)
    neighbours = visitor.page.locator("#neighbours")
    expect(neighbours).to_contain_text(SENSES[5]["text"])
    expect(neighbours).to_contain_text("Jaccard@10")
    for side in "ab":
        rows = neighbours.locator(f".design-{side} li")
        expect(rows).to_have_count(10)
        expect(rows.first).to_contain_text(re.compile(r"\d\d\.\d\s+(#\d+|not near)"))
        near = (visitor.map(f"near-{side}") or "").split()
        first = rows.first.locator("[data-index]").get_attribute("data-index")
        assert near[0] == first and len(near) == 10

    pick = neighbours.locator(".design-b [data-index]").first
    other = pick.get_attribute("data-index") or ""
    pick.click()
    visitor.shows(selected=other)
    expect(neighbours).to_contain_text(SENSES[int(other)]["text"])

    visitor.page.locator(".lm-plot[data-side=b]").press("Escape")
    visitor.shows(selected="")
    expect(neighbours).to_contain_text("Click a point on either map")

    visitor.click_point("b", 7)
    _click_where_nothing_is(visitor, "b")
    visitor.shows(selected="", near_a="")
    expect(neighbours).to_contain_text("Click a point on either map")


def _click_where_nothing_is(visitor: Visitor, side: str) -> None:
    box = visitor.page.locator(f".lm-plot[data-side={side}]").bounding_box()
    assert box
    corners = np.array([[x, y] for x in (0.02, 0.98) for y in (0.02, 0.98)])
    corners = corners * [box["width"], box["height"]] + [box["x"], box["y"]]
    points = np.array([visitor.point(side, i) for i in range(160)])
    emptiest = max(corners, key=lambda corner: np.linalg.norm(points - corner, axis=1).min())
    visitor.page.mouse.click(*emptiest)


def _draw_a_box(visitor: Visitor, side: str) -> None:
    visitor.page.get_by_role("button", name="Box").click()
    box = visitor.page.locator(f".lm-plot[data-side={side}]").bounding_box()
    assert box
    mouse = visitor.page.mouse
    mouse.move(box["x"] + 4, box["y"] + 4)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] - 4, steps=4)
    mouse.up()
    visitor.shows(lasso=re.compile(r"^[1-9]"))


def _heatmaps_of(visitor: Visitor, n: int) -> None:
    """Wait for three heatmaps of n texts and the histogram."""
    for heat in ("heat-a", "heat-b", "heat-difference"):
        visitor.page.wait_for_function(
            "([id, n]) => document.querySelector(`#${id} .js-plotly-plot`)?.calcdata?.[0][0]"
            ".trace._length >= 0 && document.querySelector(`#${id} .js-plotly-plot`)"
            ".calcdata[0][0].z.length === n",
            arg=[heat, n],
        )
    expect(
        visitor.page.locator(
            "#histogram .js-plotly-plot .bars, #histogram .scatterlayer path"
        ).first
    ).to_be_attached()


def test_similarity(visitor: Visitor) -> None:
    visitor.tab("Similarity")
    _heatmaps_of(visitor, 32)
    expect(visitor.page.locator("#pair")).to_contain_text("Cosine of the pair")
    # A's cosines are all alike: the page says so, and other colours tell them apart.
    notes, a = visitor.page.locator("#heat-notes"), visitor.page.locator("#heat-a")
    expect(notes).to_contain_text(re.compile(r"A: the cosines of these texts lie from 9\d\.\d"))
    expect(notes).to_contain_text("Blocks (by cluster of these texts")
    visitor.page.get_by_label("rank of the pair").check()
    expect(a.locator(".fig-caption")).to_contain_text("Ranks among the pairs of these texts")
    expect(notes).not_to_contain_text("lie from")
    visitor.choose("heat-order", "by label")
    expect(notes).to_contain_text("Blocks (by label)")
    limits = "id => { const t = document.querySelector(`#${id} .js-plotly-plot`).data[0];"
    limits += " return [t.zmin, t.zmax, t.customdata.length]; }"
    for heat in ("heat-a", "heat-b"):
        assert visitor.page.evaluate(limits, heat) == [0, 100, 32]
    visitor.page.get_by_label("cosine", exact=True).check()
    visitor.page.get_by_label("typed below").check()
    visitor.page.locator("#typed textarea").fill("a cat\na dog\na stock exchange")
    visitor.page.locator("#typed textarea").blur()
    _heatmaps_of(visitor, 3)


def test_retrieval(visitor: Visitor) -> None:
    visitor.tab("Retrieve")
    lists = visitor.page.locator("#lists")
    expect(lists.locator(".relevant-mark").first).to_be_visible()  # the corpus's first query
    visitor.page.locator("#query").get_by_role("textbox").fill("where to put your savings")
    visitor.page.keyboard.press("Enter")
    expect(lists.locator(".relevant-mark")).to_have_count(0)
    for side in "ab":
        rows = lists.locator(f".design-{side} li")
        expect(rows).to_have_count(10)
        expect(rows.first).to_contain_text(re.compile(r"\d\d\.\d\s+(=|new|[▲▼]\d+)"))

    query = json.loads(QUERIES[3])
    visitor.choose("own-queries", re.escape(query["query"]))
    expect(visitor.page.locator("#query").get_by_role("textbox")).to_have_value(query["query"])
    marks = lists.locator("li.relevant .text")
    expect(marks.first).to_be_visible()
    relevant = {SENSES[i]["text"] for i in query["relevant"]}
    for text in marks.all_inner_texts():
        assert text.removesuffix("✓ relevant").strip() in relevant
    figures = visitor.figures("#retrieval-scores")
    assert list(figures) == ["nDCG@10", "MRR@10", "Recall@10"]
    assert all(0 < a <= 100 and 0 < b <= 100 for a, b, _ in figures.values())
    expect(visitor.page.locator("#differs")).to_contain_text("in both lists")
    _judge_by_hand(visitor)


def _judge_by_hand(visitor: Visitor) -> None:
    """Mark a text for a query of one's own; its scores follow, and the file brings it back."""
    visitor.page.locator("#query").get_by_role("textbox").fill("where to put your savings")
    visitor.page.keyboard.press("Enter")
    scores, lists = visitor.page.locator("#query-scores"), visitor.page.locator("#lists")
    expect(scores).to_contain_text("No text is known to be relevant")
    lists.locator(".design-b li").first.get_by_label("relevant", exact=True).click()
    expect(scores).to_contain_text("1 judged by hand")
    assert visitor.figures("#query-scores")["nDCG@10"][1] == 100
    expect(visitor.page.locator("#retrieval-scores")).to_contain_text(f"{len(QUERIES) + 1} queries")
    expect(visitor.page.locator("#won .design-b")).to_contain_text("A ")
    with visitor.page.expect_download() as saved:
        visitor.page.locator("#save-qrels").click()
    lines = saved.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t") == ["query-id", "corpus-id", "score", "query"]
    assert lines[-1].endswith("\twhere to put your savings")
    lists.locator(".design-b li").first.get_by_label("relevant", exact=True).click()
    expect(scores).to_contain_text("No text is known to be relevant")
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.locator("#load-qrels").click()
    chooser.value.set_files(
        {"name": "qrels.tsv", "mimeType": "text/plain", "buffer": "\n".join(lines).encode()}
    )
    expect(scores).to_contain_text("1 judged by hand")
    assert "judgement" in visitor.toast()


def test_bad_input_gives_a_sentence_and_loses_nothing(visitor: Visitor, tmp_path: Path) -> None:
    empty, pickled, numbers = (tmp_path / name for name in ("e.csv", "p.csv", "n.parquet"))
    empty.touch()
    pickled.write_bytes(pickle.dumps(["a text", "another"]))
    pq.write_table(pa.table({"x": [1, 2], "y": [0.5, 1.5]}), numbers)
    for path, words in (
        (empty, "'e.csv' is empty; choose a file with texts."),
        (pickled, "'p.csv' is a pickle, not the .csv file its name says"),
        (numbers, "'n.parquet' has no column with text; its columns are 'x', 'y'."),
    ):
        visitor.upload(path)
        _one_sentence(visitor, words)
    visitor.own_texts("Paste")
    visitor.page.locator("#use-pasted").click()
    _one_sentence(visitor, "There is no text yet; paste one text per line.")
    visitor.own_texts("Hub")
    visitor.page.locator("#hub-dataset").get_by_role("textbox").fill("../etc")
    visitor.page.locator("#use-hub").click()
    _one_sentence(visitor, "'../etc' is not the name of a Hub dataset; write owner/name")
    visitor.page.locator("#sample input[type=number]").fill("0")
    visitor.page.keyboard.press("Tab")
    _one_sentence(visitor, "The number of texts is '0'; write a whole number from 1 up.")
    visitor.page.locator("#sample input[type=number]").fill("160")
    visitor.page.keyboard.press("Tab")
    visitor.page.locator("#seed input").fill("-3")
    visitor.page.keyboard.press("Enter")
    _one_sentence(visitor, "The seed is '-3'; write a whole number from 0 up.")
    visitor.page.locator("#seed input").fill("0")
    visitor.click_point("a", 3)


def test_own_texts_and_files(browser: Browser, served: Served, tmp_path: Path) -> None:
    with visiting(browser, served.url) as visitor:
        visitor.shows(points="160")
        visitor.paste(["one text", "", "two texts 🙂", "שלוש", "four"])
        visitor.shows(points="4")
        assert visitor.page.locator("#corpus input").input_value() == "Your own texts"

        table = tmp_path / "reviews.csv"
        rows = [
            [i, f"review number {i} of the shop", "good" if i % 3 else "bad"] for i in range(30)
        ]
        _write_csv(table, [["id", "review", "mood"], *rows])
        visitor.upload(table)
        expect(visitor.page.locator("#own-text-column input")).to_have_value("review")
        expect(visitor.page.locator("#own-label-column input")).to_have_value("mood")
        visitor.use_file()
        visitor.shows(points="30")
        expect(visitor.page.locator(".lm-legend button")).to_have_text(["bad10", "good20"])
        _vectors_and_atlas(visitor, tmp_path)


def _vectors_and_atlas(visitor: Visitor, folder: Path) -> None:
    """Vectors of another model for these 30 texts, as B; and all of it for Embedding Atlas."""
    rows = np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32)
    np.save(folder / "other.npy", rows)
    visitor.unfold("Vectors of these texts", "#sidebar")
    visitor.page.locator("#vectors input[type=file]").set_input_files(folder / "other.npy")
    expect(visitor.page.locator("#vectors-preview")).to_contain_text("30 × 12, float32")
    visitor.page.locator("#use-vectors").click()
    visitor.titled("b", "file: other")
    expect(visitor.page.locator("#quality")).to_contain_text("in the order of the texts")
    with visitor.page.expect_download() as saved:
        visitor.page.locator("#atlas").click()
    table = pq.read_table(saved.value.path())
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    vectors = np.array(table.column("vector_b").to_pylist())
    np.testing.assert_allclose(vectors, rows / lengths, atol=1e-6)
    assert table.column("mood").to_pylist()[:2] == ["bad", "good"]
    commands = visitor.page.locator("#atlas-commands")
    expect(commands).to_contain_text("--x x_b --y y_b --neighbors neighbors_b --vector vector_b")
    visitor.tab("Inside")
    expect(visitor.page.locator("#layers-why")).to_contain_text("is vectors from a file")


def _one_sentence(visitor: Visitor, words: str) -> None:
    """A message with these words and nothing technical; the map is still there."""
    message = visitor.toast()
    assert words in message
    assert not re.search(r"Traceback|\.py|line \d|/tmp|Exception", message)
    assert visitor.map("points") == "160"


@pytest.mark.parametrize(
    "typed",
    [pytest.param(1, id="one typed"), pytest.param(8, id="all typed", marks=pytest.mark.slow)],
)
def test_texts_are_never_run(browser: Browser, served: Served, tmp_path: Path, typed: int) -> None:
    table = tmp_path / "scripts.csv"
    rows = [[f"{script} {i}", script] for i in range(2) for script in SCRIPTS]
    _write_csv(table, [["text", "label"], *rows])
    with visiting(browser, served.url) as visitor:
        visitor.shows(points="160")
        visitor.paste(SCRIPTS)
        visitor.shows(points=str(len(SCRIPTS)))
        visitor.click_point("a", 1)
        visitor.own_texts("Hub")
        for script in SCRIPTS[:typed]:
            visitor.page.locator("#hub-dataset").get_by_role("textbox").fill(script)
            visitor.page.locator("#use-hub").click()
            assert script[:12] in visitor.toast()
        visitor.upload(table)
        visitor.use_file()
        visitor.shows(points=str(len(rows)))
        for index, script in enumerate(SCRIPTS):
            visitor.page.mouse.move(*visitor.point("b", index))
            expect(visitor.page.locator(".lm-tip")).to_contain_text(script)
        for index in range(typed):
            visitor.click_point("b", index)
        visitor.unfold("Show the code")
        visitor.unfold("Layer, tokens, prompts", ".design-panel.design-a")
        visitor.page.get_by_label("Document prompt").first.fill(SCRIPTS[0])
        visitor.page.keyboard.press("Enter")
        visitor.tab("Retrieve")
        visitor.unfold("Show the code")
        for script in SCRIPTS[:typed]:
            visitor.page.locator("#query").get_by_role("textbox").fill(script)
            visitor.page.keyboard.press("Enter")
            expect(visitor.page.locator("#retrieve-code")).to_contain_text(script[:12])
        visitor.page.locator("#lists li").first.hover()
        visitor.tab("Similarity")
        _heatmaps_of(visitor, len(rows))
        for heat in ("heat-a", "heat-difference"):
            visitor.page.locator(f"#{heat} .js-plotly-plot").hover()
            expect(visitor.page.locator(f"#{heat} .hoverlayer .hovertext")).to_be_visible()
        assert visitor.page.evaluate("window.pwned") is None
        assert visitor.page.locator("main img[src=x], main iframe").count() == 0


@pytest.mark.slow
def test_own_queries_are_scored(visitor: Visitor, smollm2: Backbone, tmp_path: Path) -> None:
    folder = beir_folder(tmp_path / "mine")
    files = [path for path in folder.rglob("*") if path.is_file()]
    corpus = read_files(files)
    visitor.upload(files)
    shown = visitor.page.locator("#own-preview")
    expect(shown).to_contain_text("12 texts, 4 queries")
    expect(shown).to_contain_text("a query without a judgement")
    visitor.use_file()
    visitor.shows(points="12")
    visitor.tab("Retrieve")
    # Not "13 queries": those of the corpus before and one judged by hand.
    expect(visitor.page.locator("#retrieval-scores")).to_contain_text(re.compile(r"\b3 queries"))
    figures = visitor.figures("#retrieval-scores")
    lab = real_lab(smollm2, load_config(ROOT / "spaces_config.yaml"))
    defaults = lab.config.defaults
    for column, design in enumerate((defaults.design_a, defaults.design_b)):
        scores = lab.retrieval_scores(lab.embedded(corpus, Design.parse(design)))
        assert scores is not None
        exact = [100 * value for value in (scores.ndcg_10, scores.mrr_10, scores.recall_10)]
        assert [row[column] for row in figures.values()] == pytest.approx(exact, abs=0.051)
    visitor.page.get_by_label("Ask all presets too").check()
    table = visitor.page.locator("#everywhere table")
    expect(table.locator("thead tr").first.locator("th")).to_have_count(15)
    expect(table.locator("tbody tr").first).to_contain_text(re.compile(r"^\d+"))
    visitor.page.get_by_label("Ask all presets too").uncheck()


@pytest.mark.slow
def test_two_visitors_get_what_each_would_get_alone(
    browser: Browser, served: Served, smollm2: Backbone, tmp_path: Path
) -> None:
    designs = [("M1", "bidirectional/mean"), ("bidirectional/mean", "M4")]
    table = tmp_path / "words.csv"
    rows = [[f"{row['text']} So it was.", row["word"]] for row in SENSES[::8]]
    _write_csv(table, [["text", "word"], *rows])
    with visiting(browser, served.url) as one, visiting(browser, served.url) as two:
        for visitor, (preset_a, preset_b) in zip((one, two), designs, strict=True):
            visitor.shows(points="160")
            visitor.choose("preset-a", preset_a)
            visitor.choose("preset-b", preset_b)
            visitor.upload(table)
            expect(visitor.page.locator("#own-use")).to_be_visible()
        for visitor in (one, two):
            visitor.use_file()
        for visitor in (one, two):
            visitor.shows(points=str(len(rows)))
        found = [visitor.figures() for visitor in (one, two)]

    alone = real_lab(smollm2, load_config(ROOT / "spaces_config.yaml"))
    corpus = table_to_corpus(read_table(table))
    for figures, names in zip(
        found,
        [("causal/eos", "bidirectional/mean"), ("bidirectional/mean", "M4")],
        strict=True,
    ):
        for column, name in enumerate(names):
            expected = quality(alone.embedded(corpus, Design.parse(name)))
            got = [numbers[column] for numbers in figures.values()]
            exact = (expected.knn_accuracy, expected.v_measure, expected.mean_cosine)
            assert got == pytest.approx([100 * (value or 0) for value in exact], abs=0.051)


@pytest.mark.parametrize(
    ("width", "theme"), [pytest.param(1280, "light", marks=pytest.mark.slow), (390, "dark")]
)
def test_every_tab_fits_the_window(
    browser: Browser, served: Served, width: int, theme: str
) -> None:
    with visiting(browser, served.url, width, theme) as visitor:
        visitor.shows(points="160")
        dark = visitor.page.evaluate("document.body.classList.contains('dark')")
        assert dark == (theme == "dark")
        if width < 500:
            covered = "!!document.elementFromPoint(195, 420).closest('.sidebar')"
            visitor.page.wait_for_function(f"!({covered})")
        visitor.fits()
        visitor.tab("Retrieve")
        expect(visitor.page.locator("#lists li").first).to_be_visible()
        visitor.fits()
        visitor.tab("Similarity")
        _heatmaps_of(visitor, 32)
        visitor.fits()


def test_the_map_works_by_keyboard(visitor: Visitor) -> None:
    visitor.page.locator(".lm-layers-toggle[data-side=a]").focus()
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.dataset.side") == "a"
    visitor.page.keyboard.press("ArrowRight")
    expect(visitor.page.locator(".lm-tip")).to_be_visible()
    visitor.page.keyboard.press("ArrowDown")
    visitor.page.keyboard.press("Enter")
    visitor.shows(selected=re.compile(r"^\d+$"), near_b=re.compile(r"\d"))
    expect(visitor.page.locator("#neighbours")).to_contain_text("Jaccard@10")


def test_sliders_by_keyboard_and_own_texts_after_a_reload(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url) as visitor:
        visitor.shows(points="160")
        slider = visitor.page.locator("#sample input[type=range]")
        slider.focus()
        for key, points in (("Home", "1"), ("ArrowRight", "2"), ("End", "160")):
            visitor.page.keyboard.press(key)
            visitor.shows(points=points)
            expect(slider).to_have_js_property("value", points)
        slider.evaluate(UNDONE_WHILE_THE_KEYS_REST, "2")
        visitor.shows(points="2")
        expect(slider).to_have_js_property("value", "2")
        gone = visitor.page.locator("#own-lost p")
        visitor.paste(["one", "two", "one"])
        visitor.shows(points="3")
        expect(gone).to_be_hidden()
        visitor.reload()
        # The address still says whose texts these were, and no other corpus takes their place.
        expect(gone).to_contain_text("have to be loaded again")
        expect(visitor.page.locator("#status")).to_contain_text("texts of somebody's own (3 texts")
        visitor.paste(["one", "two"])
        visitor.shows(points="2")
        expect(gone).to_be_hidden()


def test_the_map_and_its_scores_are_taken_away(visitor: Visitor) -> None:
    with visitor.page.expect_download() as data:
        visitor.page.locator(".linked-map-block [data-get=csv]").click()
    rows = list(csv.reader(data.value.path().read_text(encoding="utf-8-sig").splitlines()))
    for part in ("A M1", "One word, several senses", "160 texts", "seed 0", "float32"):
        assert part in rows[0][0]
    assert rows[1][:3] == ["row", "text", "label"]
    assert [row[1] for row in rows[2:]] == [row["text"] for row in SENSES]
    assert [row[2] for row in rows[2:]] == [row["sense"] for row in SENSES]
    places = np.array([row[-4:] for row in rows[2:]], float)
    np.testing.assert_allclose(places[:, :2].T, visitor.places("a"), atol=1e-6)
    np.testing.assert_allclose(places[:, 2:].T, visitor.places("b"), atol=1e-6)
    with visitor.page.expect_download() as picture:
        visitor.page.locator(".linked-map-block [data-get=png]").click()
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")
    with visitor.page.expect_download() as scores:
        visitor.page.locator("#quality [data-get=table]").click()
    about, header, *table = csv.reader(
        scores.value.path().read_text(encoding="utf-8-sig").splitlines()
    )
    assert "smollm2-135m" in about[0] and header == ["", "A", "B", "B − A"]
    assert {row[0]: [float(x) for x in row[1:]] for row in table} == visitor.figures()


def test_stop_says_when_nothing_runs(browser: Browser, served: Served) -> None:
    with visiting(browser, served.url) as visitor:
        visitor.shows(points="160", method="UMAP")
        visitor.idle()
        visitor.page.locator("#stop").click()
        status = visitor.page.locator("#status")
        expect(status).to_contain_text("Nothing is running")
        # The event that waits for UMAP, looking once a second, draws nothing that is drawn already.
        visitor.page.wait_for_timeout(1500)
        expect(status).to_contain_text("Nothing is running")


def test_attention_and_pooling_change_map_and_figures(visitor: Visitor) -> None:
    visitor.titled("b", "causal/mean_last+filter1.5+centre · topic")
    expect(visitor.page.locator("#quality")).to_contain_text("not a weight differs")
    visitor.choose("preset-b", "bidirectional/mean")
    visitor.titled("b", "bidirectional/mean")
    places, figures = visitor.places("b"), visitor.figures()

    visitor.page.locator("#attention-b").get_by_label("causal", exact=True).check()
    visitor.titled("b", "causal/mean")
    visitor.choose("pooling-b", "weighted_mean")
    visitor.titled("b", "causal/weighted_mean")
    assert visitor.page.locator("#preset-b input").input_value() == "custom"
    assert not np.allclose(visitor.places("b"), places)
    for name, (a, b, _) in visitor.figures().items():
        assert a == figures[name][0] and b != figures[name][1]

    visitor.choose("preset-b", "M3")
    visitor.titled("b", "M3 · causal/multi_layer_trainable · untrained (random)")
    visitor.choose("preset-b", "M2")
    visitor.titled("b", "M2")
    expect(visitor.page.locator("#quality")).to_contain_text("M2 is degenerate")


def test_a_click_while_the_map_is_refreshed_counts(visitor: Visitor) -> None:
    visitor.idle()
    place = visitor.point("a", 5)
    visitor.choose("preset-b", "M5")
    visitor.page.mouse.click(*place)
    visitor.titled("b", "M5")
    visitor.shows(selected="5", near_b=re.compile(r"\d"))
    neighbours = visitor.page.locator("#neighbours")
    expect(neighbours).to_contain_text(SENSES[5]["text"])
    expect(neighbours).to_contain_text("M5")


@pytest.mark.slow
def test_stop_keeps_what_was_there(visitor: Visitor) -> None:
    words = " ".join(row["text"] for row in SENSES).split()
    long = [" ".join([str(i), *words[i : i + 30]]) for i in range(400)]
    visitor.paste(long)
    expect(visitor.page.locator("#status")).to_contain_text("embedding")
    visitor.page.locator("#stop").click()
    expect(visitor.page.locator("#status")).to_contain_text("Stopped")
    assert visitor.map("points") == "160" and visitor.map("ready") == "true"
    visitor.click_point("a", 9)
    expect(visitor.page.locator("#neighbours")).to_contain_text(SENSES[9]["text"])
    visitor.choose("corpus", "One word, several senses")
    expect(visitor.page.locator("#status")).to_contain_text("One word, several senses")
    visitor.choose("pooling-a", "weighted_mean")
    visitor.titled("a", "weighted_mean")
    visitor.click_point("a", 9)


@pytest.mark.slow
def test_lasso_feeds_the_similarity_tab(visitor: Visitor) -> None:
    visitor.tab("Similarity")
    visitor.page.get_by_label("selected on the map").check()
    assert "Fewer than two texts are selected on the map" in visitor.toast()
    visitor.tab("Map")
    _draw_a_box(visitor, "b")
    chosen = int(visitor.map("lasso") or 0)
    expect(visitor.page.locator("#neighbours")).to_contain_text(f"{chosen} of 160 texts")
    visitor.tab("Similarity")
    assert chosen > 100
    _heatmaps_of(visitor, 32)
    visitor.tab("Map")
    visitor.choose("pooling-b", "weighted_mean")  # draws the map anew
    visitor.titled("b", "weighted_mean")
    visitor.shows(lasso=str(chosen))
    expect(visitor.page.locator("#neighbours")).to_contain_text(f"{chosen} of 160 texts")


def _write_csv(path: Path, rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
