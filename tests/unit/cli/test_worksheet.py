"""``embedlab worksheet``: blanks, or computed figures with ``--answers``, and what it refuses."""

from __future__ import annotations

import re

import pytest
import yaml
from support.command_line import run
from support.models import model_folder, tiny_model

FIRST = "?corpus=senses&tab=map&a=causal/eos&b=causal/mean"
LESSON = {
    "title": "Half & half",
    "about": "What <b>two</b> designs do.",
    "figures": {
        "n": {"measure": "texts"},
        "a": {"measure": "knn_accuracy", "design": "causal/eos"},
        "b": {"measure": "knn_accuracy", "design": "causal/mean"},
    },
    "drawings": [
        {"kind": "maps", "where": "word=bank", "caption": "The two banks."},
        {"kind": "layers", "caption": "Each layer."},
        {"kind": "tokens", "text": "along the bank", "caption": "Each token."},
    ],
    "steps": [
        {"text": "There are {n} texts.", "link": FIRST},
        {
            "predict": {"question": "Which is **higher**?", "between": ["a", "b"]},
            "reveal": {"A": "It is A: {a}.", "B": "It is B: {b}.", "same": "As good: {a}, {b}."},
        },
        {"text": "Look at the mask.", "link": "?tab=inside&panel=mask"},
    ],
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("room")
    backbone = model_folder(folder / "tiny", tiny_model("llama"))
    (folder / "lessons").mkdir()
    (folder / "lessons" / "1-half.yaml").write_text(yaml.safe_dump(LESSON), encoding="utf-8")
    path = folder / "spaces_config.yaml"
    settings = {
        "backbones": [{"id": str(backbone)}],
        "corpora": ["senses"],
        "lessons": "lessons",
        "limits": {"state_disk_mb": 0},
    }
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(config):
    """The sheet and the key."""
    texts = []
    for name, more in (("sheet", ()), ("key", ("--answers",))):
        out = config.with_name(f"{name}.html")
        code, stdout, stderr = run(
            *("worksheet", "--config", config, "--lesson", "half", "--out", out, *more),
            *("--address", "http://10.0.0.5:7860/", "--class", "Room-12"),
        )
        assert code == 0, stderr
        assert "1 lessons with 1 predictions" in stdout and out.name in stdout
        texts.append(out.read_text(encoding="utf-8"))
    return texts


def test_the_sheet_has_blanks_and_the_key_has_the_figures(made):
    sheet, key = made
    assert "There are ________ texts." in sheet and "There are 160 texts." in key
    assert "How sure, in %?" in sheet and "How sure, in %?" not in key
    assert "✓" not in sheet and key.count("✓") == 1
    assert not re.search(r"It is [AB]: |As good: ", sheet), "the sheet gives the answer away"
    [told] = re.findall(r"(?:It is [AB]: |As good: )(\d+\.\d)", key)
    assert 0 <= float(told) <= 100


def test_what_is_drawn(made):
    sheet, key = made
    for text in made:
        assert text.count("<circle") + text.count("<rect") > 2 * 160
        assert "bank: money" in text and "bank: river" in text and "crane: bird" not in text
        assert text.count('class="full"') >= 20 and text.count('class="open"') >= 20
    assert 'class="line"' not in sheet and 'class="bar"' not in sheet, "frames to sketch in"
    assert key.count('<path d="M') >= 2 and key.count('class="bar"') > 2


def test_links_lead_to_the_room_and_its_class(made):
    for text in made:
        links = set(re.findall(r'href="([^"]+)"', text))
        assert "http://10.0.0.5:7860/?lesson=half&amp;class=room-12" in links
        [state] = [link for link in links if "panel=mask" in link]
        assert "corpus=senses" in state and "a=M1&amp;b=causal/mean" in state, "the whole"
        assert len(links) == 2


def test_words_of_a_lesson_are_inert_and_nothing_is_fetched(made):
    for text in made:
        assert "Half &amp; half" in text and "<b>two</b>" not in text
        assert "<script" not in text and "src=" not in text and "url(" not in text
        assert "<strong>higher</strong>" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--out", "sheet.pdf"), "'sheet.pdf' is not .html"),
        (
            ("--out", "x.html", "--lesson", "chess"),
            "'chess' is not a lesson; use one of two-",
        ),
        (("--out", "x.html", "--address", "room"), "'room' is no address"),
        (("--out", "x.html", "--class", "a b"), "'a b' cannot be the name of a class"),
    ],
)
def test_what_it_refuses_before_anything_is_computed(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, stdout, stderr = run("worksheet", *arguments)
    assert code == 2 and says in stderr and not stdout
    assert not list(tmp_path.iterdir())
