"""What a study file may say, and the study that comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedlab.errors import EmbedLabError
from embedlab.study.definition import STUDY_PRESETS, load_study, study_from

SHIPPED = Path(__file__).parents[3] / "assets" / "studies" / "smollm2.yaml"
PLAIN = {"designs": ["M1", "M5"], "tasks": ["bbc"]}
HEADS = {"training": {"data": "stsb-train", "mode": "head", "steps": 5}}


@pytest.mark.parametrize("name", STUDY_PRESETS[:3])
def test_presets_compare_the_papers_designs_in_all_four_categories(name):
    study = load_study(name)
    assert {d.alias for d in study.designs} >= {"M1", "M2", "M3", "M4", "M5"}
    categories = [task.category for task in study.tasks]
    assert set(categories) == {"STS", "Retrieval", "Classification", "Clustering"}
    # Enough STS datasets for a paired test; two corpora to cluster.
    assert categories.count("STS") == 12
    assert categories.count("Clustering") >= 2
    assert len(study.seeds) > 1


def test_every_seed_is_a_cell_and_what_cannot_be_trained_is_one():
    study = study_from(PLAIN | HEADS | {"seeds": [3, 5], "yardsticks": ["minilm"]})
    assert [(c.label, c.kind, c.seed) for c in study.cells] == [
        ("minilm", "yardstick", None),
        ("causal/eos", "untrained", None),
        ("bidirectional/multi_layer_trainable", "trained", 3),
        ("bidirectional/multi_layer_trainable", "trained", 5),
    ]
    assert len({cell.name for cell in study.cells}) == 4


def test_untrained_cells_stand_beside_the_trained_ones_when_asked():
    study = study_from(PLAIN | HEADS | {"untrained": True})
    kinds = [(c.kind, c.seed) for c in study.cells]
    assert kinds == [("untrained", None), ("untrained", None), ("trained", 0)]
    assert [study.trains(design) for design in study.designs] == [False, True]


def test_sizes_and_words_reach_the_tasks():
    sizes = {"STS": 7, "Retrieval": 9, "Classification": 20}
    study = study_from(
        {"designs": ["M1", "M3"], "tasks": ["stsb", "boolq", "trec-coarse"], "sizes": sizes}
        | {"words": 12}
    )
    assert {(t.category, t.size, t.queries) for t in study.tasks} == {
        ("STS", 7, 0),
        ("Retrieval", 18, 9),
        ("Classification", 20, 0),
    }
    assert {t.words for t in study.tasks} == {12}
    assert study.tasks[0].corpus().pairs
    assert len(study.tasks[0].corpus().pairs) == 7


def test_the_sts_parts_are_the_whole_test_split():
    parts = study_from({"designs": ["M1", "M3"], "tasks": ["stsb"]}).tasks
    assert sum(len(part.corpus().pairs) for part in parts) == 1379


def test_the_digest_is_of_what_is_said_and_of_nothing_else():
    assert study_from(PLAIN).digest == study_from(dict(reversed(PLAIN.items()))).digest
    assert study_from(PLAIN).digest != study_from(PLAIN | {"seeds": [1]}).digest
    assert study_from(PLAIN | HEADS).digest != study_from(PLAIN).digest
    cut = PLAIN | {"training": HEADS["training"] | {"micro_tokens": 99}}
    assert study_from(cut).digest == study_from(PLAIN | HEADS).digest


def test_folders_of_earlier_versions_are_continued():
    presets = [load_study(name).digest for name in STUDY_PRESETS[:3]]
    assert presets == ["59c05732739976a4", "b61f679e4bdad6da", "12e81173e1e1230d"]
    assert load_study(str(SHIPPED)).digest == "ec42f18f4e42e4ff"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"desings": ["M1"]}, "unknown key 'desings'"),
        ({"designs": []}, "at least two"),
        ({"designs": ["M1"]}, "at least two"),
        ({"designs": ["M1", "causal/eos"]}, "given twice"),
        ({"designs": ["M1", "M9"]}, "'M9' is not a design"),
        ({"designs": "M1"}, "must be a list"),
        ({"seeds": [0, 0]}, "given twice"),
        ({"seeds": []}, "'seeds' is empty"),
        ({"seeds": ["one"]}, r"seeds\[0\] is 'one'; it must be a whole number"),
        ({"seeds": [-1]}, r"seeds\[0\] is -1; it must be at least 0"),
        ({"tasks": ["nothing"]}, "'nothing' is not known"),
        ({"tasks": [{"stsb": 20}]}, r"tasks\[0\] is {'stsb': 20}; it must be a text"),
        ({"tasks": ["bbc", "bbc"]}, "given twice"),
        ({"tasks": []}, "nothing to measure"),
        ({"sizes": {"Ranking": 3}}, "'Ranking' is not known"),
        ({"sizes": {"STS": -1}}, "STS is -1; it must be at least 0"),
        ({"words": True}, "must be a whole number"),
        ({"alpha": 0}, "alpha is 0; it must be more than 0"),
        ({"alpha": 2}, "alpha is 2; it must be less than 1"),
        ({"yardsticks": ["bert"]}, r"yardsticks\[0\] is 'bert'; use 'minilm'"),
        ({"training": {"steps": 3}}, "training: 'data' is missing"),
        ({"training": {"data": "stsb-train", "step": 3}}, "unknown key 'step'"),
        ({"training": {"data": "stsb-train", "steps": "three"}}, "steps is 'three'"),
        ({"training": {"data": "stsb-train", "steps": 3.5}}, "steps is 3.5"),
        ({"training": "stsb-train"}, "key: value"),
    ],
)
def test_what_a_study_cannot_be_is_said(change, message):
    with pytest.raises(EmbedLabError, match=message):
        study_from(PLAIN | change)


def test_mtebs_own_tasks_are_measured_beside_ours():
    assert study_from(PLAIN | {"mteb": ["STS12"]}).tasks == study_from(PLAIN).tasks


def test_a_file_is_read_and_a_missing_one_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("designs: [M1, causal/mean]\ntasks: [trec-coarse]\n", encoding="utf-8")
    assert load_study(str(path)).name == "mine"
    with pytest.raises(EmbedLabError, match=r"'other.yaml' cannot be read.*minutes"):
        load_study(str(tmp_path / "other.yaml"))
    path.write_text("designs: [M1", encoding="utf-8")
    with pytest.raises(EmbedLabError, match="not valid YAML"):
        load_study(str(path))
