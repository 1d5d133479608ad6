"""Trainings in a running app: one at a time, stopped, continued, and removed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from support.models import tiny_backbone
from support.pairs import TEXTS, pair_set, recipe
from support.waiting import until

from embedlab import Design, EmbedLabError, embed
from embedlab.analysis import evaluation
from embedlab.lab import run_queue
from embedlab.lab.config import Limits
from embedlab.lab.run import DONE, FAILED, SCORING, STOPPED, Request
from embedlab.lab.run_queue import RunQueue
from embedlab.models import run_folder
from embedlab.training import checkpoints
from embedlab.training.training import Training


@pytest.fixture
def backbone():
    return tiny_backbone()


@pytest.fixture
def live(backbone):
    run_folder = RunQueue(lambda _id, _progress: backbone, Limits(max_waiting_runs=2))
    yield run_folder
    run_folder.close()


def request(design="causal/eos", score=False, **changes) -> Request:
    return Request(
        backbone_id="tiny",
        design=Design.parse(design),
        pairs=pair_set(),
        recipe=recipe(**changes),
        score=score,
    )


def test_a_run_ends_with_a_trained_backbone(live, backbone):
    run = live.submit(request("M5"))
    until(lambda: run.over)
    assert (run.state, run.message) == (DONE, "")
    assert [step.number for step in run.history] == [0, 1, 2, 3, 4]
    design = Design.parse("M5")
    vectors = embed(TEXTS, design, live.model(run.id).backbone)
    alone = Training(backbone, design, pair_set(), recipe())
    list(alone.run())
    np.testing.assert_array_equal(vectors, embed(TEXTS, design, alone.result()))
    assert abs(vectors - embed(TEXTS, design, backbone)).max() > 1e-3


def test_one_trains_and_the_others_wait_in_order(live):
    first = live.submit(request(steps=2000))
    until(lambda: len(first.history) > 1)
    second, third = live.submit(request()), live.submit(request())
    assert [live.queue_position(run) for run in (first, second, third)] == [0, 1, 2]
    with pytest.raises(EmbedLabError, match="2 trainings are waiting"):
        live.submit(request())
    live.stop(second.id)
    assert second.state == STOPPED
    assert live.queue_position(third) == 1
    live.stop(first.id)
    until(lambda: third.over)
    assert first.state == STOPPED
    assert third.state == DONE


def test_a_stopped_run_keeps_what_it_learned_and_goes_on_exactly(live, backbone):
    straight = live.submit(request(steps=30))
    until(lambda: straight.over)
    run = live.submit(request(steps=30))
    until(lambda: len(run.history) > 3)
    live.stop(run.id)
    until(lambda: run.over)
    assert run.state == STOPPED
    model = live.model(run.id).backbone
    before = embed(TEXTS, run.request.design, model)
    assert run.can_go_on
    live.go_on(run.id)
    until(lambda: run.state == DONE)
    assert [step.number for step in run.history] == list(range(31))
    np.testing.assert_array_equal(
        embed(TEXTS, run.request.design, live.model(run.id).backbone),
        embed(TEXTS, run.request.design, live.model(straight.id).backbone),
    )
    # The backbone of the stopped run has not changed meanwhile.
    np.testing.assert_array_equal(embed(["w5 w6"], run.request.design, model).shape, (1, 32))
    np.testing.assert_array_equal(embed(TEXTS, run.request.design, model), before)
    with pytest.raises(EmbedLabError, match="at its end"):
        live.go_on(run.id)


def test_a_stop_before_the_first_step_has_no_model(live, monkeypatch):
    run = live.submit(request(steps=2000, batch=16))
    live.stop(run.id)
    until(lambda: run.over)
    if len(run.history) < 2:
        with pytest.raises(EmbedLabError, match="learned nothing"):
            live.model(run.id)
    assert run.state == STOPPED


def test_another_thread_gets_its_vectors_while_a_training_runs(live, backbone):
    """Every answer is the same as without a training."""
    design = Design.parse("bidirectional/mean")
    expected = {text: embed([text], design, backbone) for text in TEXTS}
    run = live.submit(request("bidirectional/mean", steps=2000))
    until(lambda: len(run.history) > 1)
    wrong = []

    def query(text: str) -> None:
        for i in range(20):
            backbone.cache = type(backbone.cache)(0)
            if not np.allclose(embed([text], design, backbone), expected[text], atol=1e-6):
                wrong.append((text, i))

    threads = [threading.Thread(target=query, args=(text,)) for text in TEXTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not run.over
    assert wrong == []
    live.stop(run.id)
    until(lambda: run.over)


def test_a_failure_is_a_sentence_and_the_next_run_is_served(live):
    broken = live.submit(request("bidirectional/mean", mntp_steps=2))
    until(lambda: broken.over)
    assert broken.state == FAILED
    assert "language-model head" in broken.message
    fine = live.submit(request())
    until(lambda: fine.over)
    assert fine.state == DONE


def test_a_model_that_a_full_disk_refused_is_saved_later(live, monkeypatch):
    saved = checkpoints.save_run

    def full(*args, **kwargs):
        raise EmbedLabError("version-1 could not be stored: the disk is full.")

    monkeypatch.setattr(checkpoints, "save_run", full)
    run = live.submit(request())
    until(lambda: run.over)
    assert run.state == FAILED and "the disk is full" in run.message
    assert run.backbone is None and run.can_go_on
    monkeypatch.setattr(checkpoints, "save_run", saved)
    live.go_on(run.id)
    until(lambda: run.state == DONE)
    assert run.model.run_info.steps == 4
    assert run_folder.read_run_info(run.model.folder).steps == 4
    assert not run.can_go_on


def test_a_first_loss_that_is_not_finite_leaves_no_model():
    broken = tiny_backbone()
    with torch.no_grad():
        broken.model.norm.weight.fill_(float("nan"))
    live = RunQueue(lambda _id, _progress: broken, Limits())
    run = live.submit(request("causal/mean"))
    until(lambda: run.over)
    assert run.state == FAILED and "lower learning rate" in run.message
    assert run.backbone is None and not run.can_go_on
    live.close()


def test_a_failed_scoring_does_not_cost_the_model(live, monkeypatch):
    def unreached(*args):
        raise EmbedLabError("stsb could not be downloaded.")

    monkeypatch.setattr(evaluation, "before_and_after", unreached)
    run = live.submit(request(score=True))
    until(lambda: run.over)
    assert (run.state, run.changes) == (DONE, ())
    assert run.message == "Not scored before and after: stsb could not be downloaded."
    assert run.backbone is not None


def test_a_stopped_run_is_scored_until_it_is_stopped_again(live, monkeypatch):
    seen = []

    def slowly(base, trained, design, progress):
        seen.append(trained)
        while True:
            progress(0, 1, "scoring")
            time.sleep(0.01)

    monkeypatch.setattr(evaluation, "before_and_after", slowly)
    run = live.submit(request(score=True, steps=2000))
    until(lambda: len(run.history) > 2)
    live.stop(run.id)
    until(lambda: seen)
    assert run.state == SCORING and seen == [run.backbone]
    live.stop(run.id)
    until(lambda: run.over)
    assert run.state == STOPPED and "Not scored" in run.message
    assert run.can_go_on


def test_old_runs_are_removed_with_their_files():
    backbone = tiny_backbone()
    live = RunQueue(lambda _id, _progress: backbone, Limits(max_runs=2))
    done = []
    for _ in range(3):
        run = live.submit(request(steps=1))
        until(lambda run=run: run.over)
        done.append(run)
    with pytest.raises(EmbedLabError, match="not here any more"):
        live.get(done[0].id)
    assert not done[0].folder.exists()
    assert done[2].model.folder.is_dir()
    live.close()
    assert not done[2].folder.exists()


def test_folders_of_killed_processes_are_removed(live, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    left = tmp_path / f"{run_queue.FOLDER_PREFIX}{process.pid}-left"
    alive = tmp_path / f"{run_queue.FOLDER_PREFIX}{os.getppid()}-alive"
    for folder in (left, alive):
        folder.mkdir()
    run = live.submit(request(steps=1))
    until(lambda: run.over)
    assert not left.exists() and alive.exists()
    assert run.model.folder.is_relative_to(tmp_path)


@pytest.mark.parametrize("run_id", ["", "run:", "run:guess", "run:../../etc", "x" * 1000])
def test_a_guessed_id_gives_no_run(live, run_id):
    with pytest.raises(EmbedLabError, match="not here any more"):
        live.get(run_id)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "<b>", "x" * 41, "a\nb"])
def test_a_name_that_could_be_a_path_is_refused(name):
    with pytest.raises(EmbedLabError, match="name"):
        Request(
            backbone_id="tiny",
            design=Design.parse("M1"),
            pairs=pair_set(),
            recipe=recipe(),
            name=name,
        )


def test_more_steps_than_allowed_are_refused(live):
    with pytest.raises(EmbedLabError, match="up to 2,000"):
        live.submit(request(steps=2001))


def test_a_training_that_takes_too_long_is_stopped_with_a_model(backbone):
    live = RunQueue(lambda _id, _progress: backbone, Limits(max_train_minutes=1))
    live.limits = Limits(max_train_minutes=1)
    object.__setattr__(live.limits, "max_train_minutes", 0)
    run = live.submit(request(steps=50))
    until(lambda: run.over)
    assert run.state == STOPPED
    assert "minutes" in run.message
    assert run.backbone is not None
    live.close()
