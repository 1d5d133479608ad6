"""Designs that are trained, stored small, measured and described by one command."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file
from support.design_sets import small_set
from typer.testing import CliRunner

from embedlab import Design, embed, load_backbone
from embedlab.cli.commands import app
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.models import trained_designs
from embedlab.models.run_folder import read_run_info
from embedlab.study.design_set import read_design_set
from embedlab.study.train_designs import check_designs, train_designs

TEXTS = ["how to fry rice", "salt", "put it away"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A set's file, the folder of its designs, and what was said."""
    folder = tmp_path_factory.mktemp("set")
    file, said = small_set(folder), []
    train_designs(read_design_set(file), folder / "out", say=said.append)
    return file, folder / "out", said


def weights(folder):
    return {
        f"{path.parent.name}/{path.name}:{name}": tensor
        for path in sorted(folder.rglob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def test_the_designs_are_there_with_small_weights_card_and_manifest(made):
    _, out, said = made
    assert sorted(path.name for path in check_designs(out)) == [
        "tiny-bidirectional-mean",
        "tiny-m3",
    ]
    stored = weights(out / "tiny-m3")
    dtypes = {tensor.dtype for name, tensor in stored.items() if "lora" in name}
    assert dtypes == {torch.bfloat16}
    assert stored["tiny-m3/head.safetensors:expand.weight.int8"].dtype == torch.int8
    assert not any((out / "work").iterdir())
    assert any("held-out MRR" in line for line in said)
    run_info = read_run_info(out / "tiny-m3")
    assert run_info.recipe["plateau_gain"] == 9.0 and run_info.recipe["max_length"] == 16
    assert run_info.backbone.max_length == 256  # of use, not of training
    assert run_info.stored is not None and run_info.stored.head.startswith("int8")
    (change,) = run_info.before_after
    assert change.n == 6 and change.measure == "ndcg_10"


def test_mntp_comes_first_where_attention_is_bidirectional_and_once_without(made):
    _, out, _ = made
    with_mntp = read_run_info(out / "tiny-bidirectional-mean")
    without = read_run_info(out / "without-mntp" / "tiny-bidirectional-mean")
    assert with_mntp.recipe["mntp_steps"] == 2 and without.recipe["mntp_steps"] == 0
    assert with_mntp.without_mntp == without.before_after
    assert read_run_info(out / "tiny-m3").without_mntp == ()
    phases = [
        json.loads(line)["phase"]
        for line in (out / "tiny-bidirectional-mean" / "history.jsonl").read_text().splitlines()
    ]
    assert phases[:3] == ["mntp"] * 3 and set(phases[3:]) == {"contrastive"}


def test_the_card_says_figures_recipe_data_and_what_it_is_not_for(made):
    card = (made[1] / "tiny-bidirectional-mean" / "README.md").read_text()
    run_info = read_run_info(made[1] / "tiny-bidirectional-mean")
    (change,), (without,) = run_info.before_after, run_info.without_mntp
    for values in (change.before, change.after, without.after):
        score, low, high = (f"{100 * value:.1f}" for value in values)
        assert f"{score} ({low} to {high})" in card
    header = card.split("## Figures\n\n")[1].splitlines()
    assert header[0].endswith("| trained without MNTP |") and header[1].startswith("| --- |")
    for words in ("What it is not for", "lora\\_rank", "costs ", "pairs.csv"):
        assert words in card


def test_a_set_that_is_stopped_again_and_again_ends_as_an_undisturbed_one(made, tmp_path):
    file, whole, _ = made
    design_set, stops = read_design_set(file), 0

    class Impatient:
        """Stops at the so manyth report of progress; every next one has more patience."""

        def __init__(self, patience: int) -> None:
            self.left = patience

        def __call__(self, done, total, what):
            self.left -= 1
            if self.left < 0:
                raise Cancelled

    while True:
        try:
            train_designs(design_set, tmp_path / "out", progress=Impatient(4 * (stops + 1)))
            break
        except Cancelled:
            stops += 1
    assert stops > 5
    ours, theirs = weights(tmp_path / "out"), weights(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    scores = [read_run_info(o / "tiny-m3").before_after for o in (tmp_path / "out", whole)]
    assert scores[0] == scores[1]


def test_a_finished_set_is_left_as_it_is(made):
    file, out, _ = made
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    said = []
    train_designs(read_design_set(file), out, say=said.append)
    assert said == []
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == before


def test_another_recipe_and_a_second_process_are_refused(made, tmp_path):
    from filelock import FileLock

    file, out, _ = made
    other = yaml.safe_load(file.read_text()) | {"unseen": 5}
    changed = tmp_path / "other.yaml"
    changed.write_text(yaml.safe_dump(other))
    with pytest.raises(EmbedLabError, match="of another recipe"):
        train_designs(read_design_set(changed), out)
    with FileLock(out / ".lock"), pytest.raises(EmbedLabError, match="Another process"):
        train_designs(read_design_set(file), out)


def test_a_trained_design_loads_by_its_name(made, monkeypatch):
    monkeypatch.setattr("embedlab.resources.DESIGNS", made[1])
    design = Design.parse("M3")
    loaded = load_backbone("tiny-m3", dtype="float32")
    assert loaded.name == "tiny-m3" and loaded.head(design).trained
    base = load_backbone(read_run_info(made[1] / "tiny-m3").backbone.id, dtype="float32")
    assert abs(embed(TEXTS, design, loaded) - embed(TEXTS, design, base)).max() > 1e-3
    assert trained_designs.trained_as(loaded_from(made), design) == "tiny-m3"
    centred = Design.parse("causal/multi_layer_trainable+centre")
    assert trained_designs.trained_as(loaded_from(made), centred) == "tiny-m3"
    for other in ("M1", "causal/mean"):
        assert trained_designs.trained_as(loaded_from(made), Design.parse(other)) == ""
    assert trained_designs.trained_as("smollm2-135m", design) == ""


def loaded_from(made) -> str:
    return read_run_info(made[1] / "tiny-m3").backbone.id


def damaged(folder, how):
    manifest = folder / "manifest.json"
    if how == "no manifest":
        manifest.unlink()
    elif how == "nonsense":
        manifest.write_text('{"files": {"run.json": {"bytes": -1, "sha256": "x"}}}')
    elif how == "a changed byte":
        path = folder / "head.safetensors"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    elif how == "a missing file":
        (folder / "README.md").unlink()
    elif how == "a file more":
        (folder / "extra.py").write_text("print('hello')")
    elif how == "run.json of another":
        (folder / "run.json").write_text("{}")


@pytest.mark.parametrize(
    "how, said",
    [
        ("no manifest", "no manifest"),
        ("nonsense", "no manifest, or a damaged one"),
        ("a changed byte", "'head.safetensors' .* is damaged"),
        ("a missing file", "'README.md' .* is missing"),
        ("a file more", "'extra.py' .* is not in the manifest"),
        ("run.json of another", "'run.json' .* is damaged"),
    ],
)
def test_a_damaged_folder_is_refused_in_a_sentence(made, tmp_path, how, said):
    copy = tmp_path / "designs" / "tiny-m3"
    shutil.copytree(made[1] / "tiny-m3", copy)
    trained_designs.verify(copy)
    damaged(copy, how)
    with pytest.raises(EmbedLabError, match=said):
        trained_designs.verify(copy)
    if how in ("no manifest", "run.json of another"):
        assert trained_designs.trained_designs(tmp_path / "designs") == {}


def test_scales_that_do_not_fit_are_a_damaged_head(made, tmp_path):
    from safetensors.torch import save_file

    from embedlab.models.run_folder import load_run

    copy = tmp_path / "tiny-m3"
    shutil.copytree(made[1] / "tiny-m3", copy)
    head = load_file(copy / "head.safetensors")
    save_file(head | {"query.weight.scale": torch.ones(1)}, copy / "head.safetensors")
    with pytest.raises(EmbedLabError, match="or its file is damaged"):
        load_run(copy, load_backbone(loaded_from(made), dtype="float32"))


def test_a_file_of_a_set_is_checked(tmp_path, made):
    for change, said in (
        ({"designs": ["M1", "causal/eos"]}, "none of them twice"),
        ({"recipe": {"lora_ranks": 3}}, "lora_ranks"),
        ({"plateau": {"gains": 3}}, "gains"),
        ({"extra": 1}, "extra"),
        ({"mixture": {"a": "many"}}, "many"),
    ):
        path = tmp_path / "set.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(made[0].read_text()) | change))
        with pytest.raises(EmbedLabError, match=said):
            read_design_set(path)


def test_the_command_checks_a_folder(made, tmp_path):
    result = CliRunner().invoke(app, ["designs", "check", str(made[1])])
    assert result.exit_code == 0 and "tiny-m3" in result.output, result.output
    result = CliRunner().invoke(app, ["designs", "check", str(tmp_path)])
    assert result.exit_code == 2 and "no trained designs" in result.output


def test_assets_list_what_is_there_as_designs(made, monkeypatch):
    monkeypatch.setattr("embedlab.resources.DESIGNS", made[1])
    listed = CliRunner().invoke(app, ["assets", "--list"]).output.splitlines()
    designs = {line.split()[0]: line.split()[1:3] for line in listed if " design " in line}
    assert designs == {key: ["design", "yes"] for key in ("tiny-bidirectional-mean", "tiny-m3")}
    result = CliRunner().invoke(app, ["assets", "tiny-m3"])
    assert result.exit_code == 0 and "it comes with EmbedLab" in result.output


def test_a_stored_design_goes_through_export_and_import(made, tmp_path):
    from embedlab.export.uploaded_run import check_sizes
    from embedlab.models.pooling import HeadSize

    run_info = read_run_info(made[1] / "tiny-m3")
    check_sizes(made[1] / "tiny-m3", run_info)
    larger = run_info.model_copy(update={"head": HeadSize(latents=99)})
    with pytest.raises(EmbedLabError, match="contradict"):
        check_sizes(made[1] / "tiny-m3", larger)
