"""Studies whose cells are models that were trained before."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from support.design_sets import small_set

from embedlab import Design, load_backbone
from embedlab.errors import EmbedLabError
from embedlab.models.run_folder import read_run_info, write_run_info
from embedlab.study import run as study_run
from embedlab.study.definition import study_from
from embedlab.study.design_set import read_design_set
from embedlab.study.findings import report_of
from embedlab.study.given_models import given_models, shared
from embedlab.study.train_designs import train_designs

M3 = str(Design.parse("M3"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folders of two trained designs of a tiny backbone, and the backbone's."""
    folder = tmp_path_factory.mktemp("set")
    file = small_set(folder, mntp_steps=0)
    train_designs(read_design_set(file), folder / "out")
    return [str(folder / "out" / name) for name in ("tiny-m3", "tiny-bidirectional-mean")], str(
        folder / "tiny"
    )


def study(made, **changes):
    models, backbone = made
    values = {"name": "given", "backbone": backbone, "models": models, "tasks": ["stsb"]}
    return study_from(values | {"sizes": {"STS": 5}, "untrained": True} | changes)


def test_given_models_are_cells_beside_the_untrained_designs(made):
    given = study(made, designs=["causal/mean"])
    assert [(c.label, c.kind, c.seed) for c in given.cells] == [
        ("causal/mean", "untrained", None),
        (M3, "untrained", None),
        ("bidirectional/mean", "untrained", None),
        (M3, "trained", 0),
        ("bidirectional/mean", "trained", 0),
    ]
    assert given.recipe is None and given.seeds == (0,)
    assert given.model(M3, 0) == made[0][0] and given.model("causal/mean", 0) is None


def test_several_seeds_are_several_models_and_one_twice_is_refused(made, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(made[0][0], other)
    write_run_info(other, read_run_info(other).model_copy(update={"seed": 4}))
    given = study(made, models=[*made[0], str(other)])
    assert [(c.label, c.seed) for c in given.cells if c.kind == "trained"] == [
        (M3, 0),
        ("bidirectional/mean", 0),
        (M3, 4),
    ]
    with pytest.raises(EmbedLabError, match="are both"):
        study(made, models=[made[0][0], made[0][0]])


def test_the_digest_is_of_the_weights_and_not_of_where_they_stand(made, tmp_path):
    copies = [str(shutil.copytree(path, tmp_path / path.rpartition("/")[2])) for path in made[0]]
    assert study(made).digest == study(made, models=copies).digest
    (other,) = given_models([copies[0]], made[1])
    (tmp_path / "tiny-m3" / "head.safetensors").write_bytes(b"other")
    assert given_models([copies[0]], made[1]) != (other,)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"models": ["no-such-model"]}, "neither a trained design"),
        ({"backbone": "smollm2-135m"}, "name models of one backbone"),
        ({"training": {"data": "stsb-train"}}, "leave 'training' out"),
    ],
)
def test_what_does_not_go_together_is_refused(made, changes, said):
    with pytest.raises(EmbedLabError, match=said):
        study(made, **changes)


def test_a_study_without_models_has_the_digest_that_it_had():
    plain = study_from({"name": "plain", "designs": ["M1", "M5"], "tasks": ["bbc"]})
    assert "models" in plain.asdict
    with_field = json.dumps(plain.asdict)
    assert '"models": []' in with_field
    assert (
        plain.digest
        == study_from(
            {"name": "plain", "designs": ["M1", "M5"], "tasks": ["bbc"], "models": []}
        ).digest
    )


def test_the_cells_are_measured_with_the_models_weights(made, tmp_path, monkeypatch):
    seen = {}

    def results(setup, encoder_for):
        encode = encoder_for(["some rice", "an egg"], "STS", "")
        seen[len(seen)] = np.array(encode(["some rice", "an egg"], False))
        return []

    monkeypatch.setattr(study_run, "_task_results", results)
    monkeypatch.setattr(study_run, "_task_facts", lambda *_: iter(()))
    given = study(made)
    cells = study_run.run(given, tmp_path / "out", dtype="float32")
    assert [cell.status for cell in cells] == ["done"] * 4
    from embedlab import embed

    for number, (cell, name) in enumerate(zip(cells, [made[1], made[1], *made[0]], strict=True)):
        expected = embed(
            ["some rice", "an egg"], Design.parse(cell.label), load_backbone(name, dtype="float32")
        )
        found = seen[number] / np.linalg.norm(seen[number], axis=1, keepdims=True)
        np.testing.assert_allclose(found, expected, atol=1e-4)
    trained = cells[2]
    assert trained.recipe["lora_rank"] == 2 and trained.history[0].number == 0
    report = report_of(tmp_path / "out")
    assert report.facts.recipe["lora_rank"] == 2
    assert report.facts.data["title"].startswith("24 of pairs.csv")
    assert any("trained for 4 steps" in note for note in report.notes)


def test_recipes_are_told_as_far_as_they_are_alike():
    assert shared([{"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}]) == {"a": 1}
