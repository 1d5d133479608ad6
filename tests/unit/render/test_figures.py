"""Figures, categories and escaping."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from embedlab.errors import EmbedLabError
from embedlab.render import similarity, style
from embedlab.render.inside import token_bars

HOSTILE = ["<img src=x onerror=alert(1)>", "</script>", "<b>&amp;", "a\x00b\ud800", "${1} {{x}}"]


def contrast(colour: str, background: str) -> float:
    """The contrast ratio of WCAG 2, section 1.4.3."""

    def luminance(code: str) -> float:
        parts = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([luminance(colour), luminance(background)])
    return (high + 0.05) / (low + 0.05)


def test_categories_follow_first_appearance():
    codes, names = style.categories(["b", "a", None, "b", float("nan"), "", 3])
    assert codes == [0, 1, 2, 0, 2, 2, 3]
    assert names == ["b", "a", "unlabelled", "3"]


def test_thirty_two_categories_look_different_and_the_rest_alike():
    styles = [style.category_style(i) for i in range(40)]
    assert len(set(styles[:32])) == 32
    assert set(styles[32:]) == {style.OTHER_STYLE}
    assert style.OTHER_STYLE not in styles[:32]
    assert {symbol for _, symbol in styles[:8]} == {"circle"}


# Matrices for complete deuteranopia and protanopia (Machado et al. 2009, linear RGB).
DICHROMATS = {
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}


@pytest.mark.parametrize("matrix", DICHROMATS.values(), ids=DICHROMATS)
def test_no_two_colours_look_the_same_to_a_dichromat(matrix):
    seen = []
    for code in style.PALETTE:
        parts = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        seen.append(np.clip(np.array(matrix) @ linear, 0, 1) ** (1 / 2.4))
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.08


def test_theme_text_colours_reach_the_contrast_for_text():
    from embedlab.ui.shared.theme import Theme

    look = Theme()
    for side in ("a", "b"):
        assert contrast(getattr(look, f"design_{side}_text"), "#FFFFFF") >= 4.5
        soft = getattr(look, f"design_{side}_soft")
        assert contrast(getattr(look, f"design_{side}_text"), soft) >= 4.5
        dark, soft_dark = (getattr(look, f"design_{side}_{part}_dark") for part in ("text", "soft"))
        assert contrast(dark, look.neutral_800) >= 4.5
        assert contrast(dark, soft_dark) >= 4.5
    assert contrast(look.neutral_500, look.neutral_50) >= 4.5
    assert contrast(look.neutral_400, look.neutral_800) >= 4.5
    assert contrast("#FFFFFF", look.primary_600) >= 4.5
    assert not look._stylesheets
    assert not look._font_css


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_has_no_markup_left(text):
    for shown in (style.plotly_text(text), style.wrapped(text)):
        assert "<" not in shown.replace("<br>", "")
        assert "\x00" not in shown
        shown.encode("utf-8")
    assert style.plotly_text("a<b> & 'c'") == "a&lt;b&gt; &amp; 'c'"


def test_wrapped_lines_are_short_and_lose_nothing():
    words = " ".join(f"word{i}" for i in range(20))
    lines = style.wrapped(words, width=30, limit=500).split("<br>")
    assert max(map(len, lines)) <= 30
    assert " ".join(lines) == words
    assert style.wrapped("x" * 70, width=30).split("<br>") == ["x" * 30, "x" * 30, "x" * 10]
    assert style.wrapped("") == ""


def cells(texts, **more):
    return similarity.Cells(texts=texts, **more)


def test_similarity_heatmap_keeps_values_limits_and_equal_texts_apart():
    matrix = np.array([[1.0, 0.25], [0.25, 1.0]])
    figure = similarity.similarity_heatmap(matrix, cells(["same", "same"]), "A", -0.2, 1.0)
    heatmap = figure.data[0]
    np.testing.assert_allclose(heatmap.z, [[100, 25], [25, 100]])
    assert (heatmap.zmin, heatmap.zmax) == (-20, 100)
    assert len(set(heatmap.x)) == 2
    assert "n = 2 texts" in figure.layout.title.subtitle.text


@pytest.mark.parametrize("n", [2, 30, 60])
def test_the_rows_of_a_heatmap_are_as_high_as_their_labels(n):
    figure = similarity.similarity_heatmap(
        np.eye(n), cells([f"text {i}" for i in range(n)]), "", 0, 1
    )
    layout = figure.layout
    row = (layout.height - layout.margin.t - layout.margin.b) / n
    sizes = {note.font.size for note in layout.annotations}
    assert min(sizes) >= 11 and row >= max(sizes)
    assert sum(note.text.startswith("text") for note in layout.annotations) == n


def test_a_heatmap_has_borders_and_both_cosines_in_every_cell():
    both = np.arange(32).reshape(4, 4, 2) / 100
    drawn = cells(list("abcd"), cosines=both, starts=(0, 1, 3), scale=similarity.SCALES["rank"])
    figure = similarity.similarity_heatmap(np.eye(4), drawn, "A", 0, 1)
    assert sorted({shape.x0 for shape in figure.layout.shapes if shape.x0 == shape.x1}) == [
        0.5,
        2.5,
    ]
    assert sorted({shape.y0 for shape in figure.layout.shapes if shape.y0 == shape.y1}) == [
        0.5,
        2.5,
    ]
    assert figure.data[0].customdata[1][2] == [12.0, 13.0]
    assert "Less similar pairs" in figure.data[0].hovertemplate
    assert "%{y}" in figure.data[0].hovertemplate and "%{x}" in figure.data[0].hovertemplate


def test_difference_heatmap_is_centred_on_zero():
    figure = similarity.difference_heatmap(
        np.array([[0.0, -0.5], [0.1, 0.0]]), cells(["x", "y"]), "B − A"
    )
    heatmap = figure.data[0]
    assert (heatmap.zmin, heatmap.zmid, heatmap.zmax) == (-50, 0, 50)
    assert dict(heatmap.colorscale)[0.5] == "#F4F4F4"
    assert similarity.difference_heatmap(np.zeros((1, 1)), cells(["x"]), "").data[0].zmax > 0


def test_figures_escape_every_text():
    n = len(HOSTILE)
    heatmap = similarity.similarity_heatmap(np.eye(n), cells(HOSTILE), HOSTILE[0], 0, 1)
    histogram = similarity.similarity_histogram(np.ones(3), np.zeros(3), *HOSTILE[:2])
    for figure in (heatmap, histogram):
        written = json.dumps(figure.to_plotly_json(), default=list)
        assert "<img" not in written
        assert "</script" not in written


def test_a_matrix_of_the_wrong_shape_is_named():
    with pytest.raises(EmbedLabError, match=r"\(2, 3\).*3 texts"):
        similarity.similarity_heatmap(np.zeros((2, 3)), cells(["a", "b", "c"]), "A", 0, 1)


def test_histogram_shares_sum_to_one_and_name_the_means():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, 300), rng.normal(0.5, 0.1, 300)
    figure = similarity.similarity_histogram(a, b, "causal/eos", "bidirectional/mean")
    for trace, values in zip(figure.data, (a, b), strict=True):
        assert sum(trace.y) == pytest.approx(100)
        assert f"mean {100 * values.mean():.1f}" in trace.name
    assert figure.data[0].line.dash != figure.data[1].line.dash
    with pytest.raises(EmbedLabError, match="two texts"):
        similarity.similarity_histogram(np.array([]), np.array([]), "a", "b")


def test_a_long_name_is_broken_in_the_legend_which_gets_the_room():
    short, long = "causal/eos", "causal/mean_last+filter1.5+centre?template=topic"
    sims = np.linspace(0, 1, 9)
    one, more = (similarity.similarity_histogram(sims, sims, short, n) for n in (short, long))
    lines = more.data[1].name.split("<br>")
    assert len(lines) == 2 and max(map(len, lines)) <= 44
    assert "".join(lines).startswith(f"B: {long}")
    extra = more.layout.height - one.layout.height
    assert extra == more.layout.margin.b - one.layout.margin.b > 12


def test_a_long_title_takes_lines_and_the_figure_room():
    short, long = "A: causal/eos", "B: smollm2-135m-m5 · M5 · bidirectional/multi_layer_trainable"
    one, more = (
        similarity.similarity_heatmap(np.eye(2), cells(["a", "b"]), n, 0, 1) for n in (short, long)
    )
    assert more.layout.title.text == long.replace(" · bi", "<br>· bi")
    assert more.layout.margin.t - one.layout.margin.t == 20


@pytest.mark.parametrize(("norms", "kind"), [([38.0, 52.0], "linear"), ([38.0, 22_500.0], "log")])
def test_bars_start_at_zero_or_at_a_power_of_ten(norms: list[float], kind: str) -> None:
    sides = [("causal/eos", ["a", "b"], np.array(norms))] * 2
    axis = token_bars(sides, title="Norm of each token", unit="Norm").layout.yaxis
    if kind == "log":
        assert axis.type == "log" and axis.range[0] == 1 and axis.range[1] > np.log10(22_500)
        assert "log" in axis.title.text
    else:
        assert axis.type is None and axis.range is None  # plotly's bars then start at 0
