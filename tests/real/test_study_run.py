"""Running a study: cells written down one by one, killed at any moment, and going on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from support.studies import CLUSTERED, SMALL, findings

from embedlab.errors import Cancelled, EmbedLabError
from embedlab.study.definition import study_from
from embedlab.study.findings import report_of
from embedlab.study.folder import StudyFolder
from embedlab.study.pooled_texts import PooledTexts
from embedlab.training import checkpoints


def run_study(*args, **options):
    """In the same precision on every machine, whichever of the two its CPU multiplies faster.

    With it comes mteb, which takes seconds to import.
    """
    from embedlab.study.run import run

    return run(*args, dtype="float32", **options)


@pytest.fixture(scope="module")
def small(tiny_folder):
    return study_from(SMALL | {"backbone": str(tiny_folder)}, "small")


@pytest.fixture(scope="module")
def undisturbed(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "undisturbed"
    lines = []
    run_study(small, folder, say=lines.append, command="embedlab study small.yaml")
    return folder, lines


def test_every_cell_says_what_it_comes_from(undisturbed, small):
    folder, lines = undisturbed
    cells = StudyFolder(small, folder).results()
    assert [(c.label, c.seed) for c in cells] == [
        (str(d), seed) for seed in (0, 1) for d in small.designs
    ]
    for cell in cells:
        assert cell.status == "done", cell.error
        assert cell.seconds > 0
        assert cell.command == "embedlab study small.yaml"
        assert cell.backbone["precision"] == "float32"
        assert set(cell.versions) >= {"python", "torch", "transformers", "peft", "mteb"}
        assert len(cell.data["sha256"]) == 64
        assert len(cell.history) == small.recipe.steps + 1
        assert [task.id for task in cell.tasks] == [task.id for task in small.tasks]
    record = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    assert all(task["sha256"] for task in record["tasks"])
    assert not list((folder / "work").glob("*"))
    assert any("6 left out because they stand in an evaluation corpus" in line for line in lines)


def test_tasks_of_every_category_are_measured(tiny_folder, tmp_path):
    study = study_from(CLUSTERED | {"backbone": str(tiny_folder)}, "clustered")
    study = replace(study, recipe=None, designs=study.designs[-2:])
    cells = run_study(study, tmp_path / "clustered")
    assert [cell.status for cell in cells] == ["done", "done"], [cell.error for cell in cells]
    for cell in cells:
        ids = [task.id for task in cell.tasks]
        assert ids == [task.id for task in study.tasks]
        # STS-B is measured by its sources, each a task of its own.
        assert all(any(id_.startswith(name) for id_ in ids) for name in CLUSTERED["tasks"])
    assert {task.category for task in study.tasks} == set(CLUSTERED["sizes"])


@pytest.mark.slow
def test_seeds_train_different_heads_and_the_same_seed_the_same(undisturbed, small, tmp_path):
    folder, _ = undisturbed
    first, again = (
        {(c.label, c.seed): c.tasks for c in StudyFolder(small, where).results()}
        for where in (folder, _second(small, tmp_path))
    )
    assert first == again
    m5 = "bidirectional/multi_layer_trainable"
    assert first[m5, 0] != first[m5, 1]


def _stop_after(reports):
    """Progress that cancels the work after so many reports."""
    left = iter(range(reports))

    def progress(done, total, what):
        if next(left, None) is None:
            raise Cancelled

    return progress


def _second(small, tmp_path):
    folder = tmp_path / "again"
    run_study(small, folder)
    return folder


#: A whole run reports some 270 times, and finished cells are not run again: so these stop it, in
#: turn, before the first cell, while a step of its training is scored, while it is measured, and in
#: three later cells.
SIX_STOPS = (0, 4, 20, 50, 75, 60)


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param(SIX_STOPS, id="six"),
        pytest.param(range(0, 480, 8), id="sweep", marks=pytest.mark.slow),
    ],
)
def test_a_cancelled_study_goes_on_to_the_same_report(stops, undisturbed, small, tmp_path):
    """Cancelled again and again, the work a little further each time."""
    folder = tmp_path / "stopped"
    cancelled = 0
    for reports in stops:
        try:
            run_study(small, folder, progress=_stop_after(reports))
            break
        except Cancelled:
            cancelled += 1
    assert cancelled >= len(SIX_STOPS)
    run_study(small, folder)
    assert findings(folder) == findings(undisturbed[0])


@pytest.mark.slow
def test_heads_go_on_to_the_same_report(small, tmp_path):
    heads = replace(small, recipe=replace(small.recipe, mode="head"))
    run_study(heads, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    for cell in heads.cells[2:]:
        (tmp_path / "part" / "cells" / f"{cell.name}.json").unlink()
    run_study(heads, tmp_path / "part")
    assert findings(tmp_path / "part") == findings(tmp_path / "whole")


def test_a_folder_of_another_study_is_refused_and_kept(undisturbed, small):
    folder, _ = undisturbed
    before = sorted(folder.rglob("*.json"))
    other = replace(small, seeds=(7,))
    with pytest.raises(EmbedLabError, match="results of another study"):
        run_study(other, folder)
    assert sorted(folder.rglob("*.json")) == before


def test_other_pairs_than_when_it_began_are_refused(undisturbed, small, tmp_path):
    folder = tmp_path / "moved"
    shutil.copytree(undisturbed[0], folder)
    record = json.loads((folder / "study.json").read_text())
    record["data"]["sha256"] = "0" * 64
    (folder / "study.json").write_text(json.dumps(record))
    with pytest.raises(EmbedLabError, match="holds other pairs than when the study"):
        run_study(small, folder)
    record["tasks"][0]["sha256"] = "0" * 64
    (folder / "study.json").write_text(json.dumps(record))
    with pytest.raises(EmbedLabError, match="measured on other texts"):
        run_study(small, folder)


def test_a_study_goes_on_in_the_precision_it_began_in(undisturbed, small, tmp_path, monkeypatch):
    asked = []

    def loading(backbone, device, dtype, **_):
        asked.append(dtype)
        raise Cancelled

    from embedlab.study import run

    monkeypatch.setattr(run, "load_backbone", loading)
    shutil.copytree(undisturbed[0], tmp_path / "begun")
    for folder, dtype in (("begun", "auto"), ("begun", "bfloat16"), ("new", "auto")):
        with pytest.raises(Cancelled):
            run.run(small, tmp_path / folder, dtype=dtype)
    assert asked == ["float32", "bfloat16", "auto"]


def test_a_damaged_checkpoint_is_started_over(undisturbed, small, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(undisturbed[0], folder)
    cell = next(cell for cell in small.cells if cell.kind == "trained")
    (folder / "cells" / f"{cell.name}.json").unlink()
    work = folder / "work" / cell.name
    work.mkdir(parents=True)
    (work / checkpoints.CHECKPOINT).write_bytes(b"no checkpoint")
    run_study(small, folder)
    assert findings(folder) == findings(undisturbed[0])


def test_a_folder_with_other_things_is_refused(small, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(EmbedLabError, match="other things than a study"):
        run_study(small, tmp_path)


def test_a_cell_out_of_memory_is_recorded_and_the_others_go_on(small, tmp_path, monkeypatch):
    """Memory cannot be made to run out for one design alone, so its error is raised by hand."""
    plain = PooledTexts.__call__

    def scarce(pooled, texts, design, **more):
        if design.pooling == "mean":
            raise MemoryError
        return plain(pooled, texts, design, **more)

    folder = tmp_path / "scarce"
    untrained = replace(small, recipe=None, designs=small.designs[::2])
    monkeypatch.setattr(PooledTexts, "__call__", scarce)
    cells = run_study(untrained, folder)
    assert [c.status for c in cells] == ["done", "failed"]
    assert "memory did not suffice" in cells[1].error
    report = report_of(folder)
    assert [r.status for r in report.ran].count("failed") == 1
    assert any("1 of 2 cells are not done" in note for note in report.notes)
    monkeypatch.setattr(PooledTexts, "__call__", plain)
    assert [c.status for c in run_study(untrained, folder)] == ["done", "done"]


@pytest.mark.slow
def test_a_half_written_file_is_no_cell(small, tmp_path):
    folder = tmp_path / "torn"
    untrained = replace(small, recipe=None, designs=small.designs[::2])
    run_study(untrained, folder)
    torn = next((folder / "cells").glob("*.json"))
    whole = json.loads(torn.read_text(encoding="utf-8"))
    torn.write_text(torn.read_text(encoding="utf-8")[:100], encoding="utf-8")
    (folder / "cells" / f"{torn.name}.part").write_text("{", encoding="utf-8")
    run_study(untrained, folder)
    assert json.loads(torn.read_text(encoding="utf-8"))["tasks"] == whole["tasks"]


def test_a_task_that_cannot_be_had_is_said_before_anything_is_trained(small, tmp_path):
    with pytest.raises(EmbedLabError, match="STS12"):
        run_study(replace(small, mteb=("STS12",)), tmp_path / "hub")
    assert not (tmp_path / "hub" / "cells").exists()


def test_training_data_that_is_not_there_is_said_before_a_backbone_is_loaded(
    small, tmp_path, monkeypatch
):
    monkeypatch.setattr("embedlab.study.run.load_backbone", lambda *a, **k: pytest.fail("loaded"))
    with pytest.raises(EmbedLabError, match="neither a file nor a training set"):
        run_study(replace(small, data="nowhere.csv"), tmp_path / "none")


def test_instructions_stand_before_the_texts_of_a_task(tiny_folder, tmp_path):
    """Scores are those of texts with the words before them: of queries alone in retrieval."""
    from embedlab import Design, embed, load_backbone
    from embedlab.study.mteb_tasks import as_mteb, evaluate

    asked = {
        "designs": ["causal/mean", "M1"],
        "tasks": ["stsb", "semanlink"],
        "sizes": {"STS": 6, "Retrieval": 4},
        "instructions": True,
        "backbone": str(tiny_folder),
    }
    study = study_from(asked, "asked")
    (cell, _) = run_study(study, tmp_path / "asked")
    backbone, design = load_backbone(tiny_folder, dtype="float32"), Design.parse("causal/mean")
    before = {
        "STS": ("Retrieve text with the same meaning: ",) * 2,
        "Retrieval": ("", "Given a question, retrieve passages that answer it: "),
    }
    chosen = [study.tasks[0], study.tasks[-1]]
    assert [task.category for task in chosen] == list(before)
    for task in chosen:

        def by_hand(texts, query, words=before[task.category]):
            return embed([words[query] + text for text in texts], design, backbone)

        expected = evaluate(as_mteb(task), by_hand, task.id).score
        (found,) = (result for result in cell.tasks if result.id == task.id)
        assert found.score == pytest.approx(expected, abs=1e-6)
    assert any("instruction stands before" in note for note in report_of(tmp_path / "asked").notes)
