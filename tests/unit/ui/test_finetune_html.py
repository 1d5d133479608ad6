"""The Fine-tune tab's sentences and tables on a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.models import tiny_backbone

from embedlab.analysis.tasks import QUICK_TASKS
from embedlab.data.pairs import PairSet
from embedlab.errors import EmbedLabError
from embedlab.lab.config import Limits
from embedlab.lab.run import DONE, TRAINING, LiveRun, Request
from embedlab.lab.run_queue import RunQueue
from embedlab.models.design import Design
from embedlab.models.run_folder import TaskChange
from embedlab.training.forecast import plan_training
from embedlab.training.history import Step
from embedlab.training.recipe import Recipe
from embedlab.ui.tabs.finetune.html import before_after, described, duration, forecast, status
from embedlab.ui.tabs.finetune.snapshot import take_snapshot

PAIRS = PairSet(id="p", title="<b>pairs", anchors=("a", "b"), positives=("c", "d"))


def request() -> Request:
    return Request(backbone_id="smollm2-135m", design=Design(), pairs=PAIRS, recipe=Recipe())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "about 5 s"), (33, "about 35 s"), (61, "about 1 min"), (7300, "about 2 h")],
)
def test_durations_are_round(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_forecast_and_the_pairs_before_a_training() -> None:
    words = forecast(plan_training(Recipe(steps=40), PAIRS), Limits())
    assert "40 steps of 2 pairs; each of the 2 pairs is seen 40 times." in words
    assert "No pairs are held out to be scored: there are too few." in words
    more = replace(
        PAIRS, negatives=(("<i>e", "f", "g", "h"), ()), taken="anchor: 'x'", notes=("N.",)
    )
    words = described(more)
    assert "2 pairs with 0 to 4 hard negatives each." in words and "Anchor: &#x27;x&#x27;." in words
    assert "hard negative: &lt;i&gt;e" in words and "and 1 more hard negatives" in words
    assert words.count("positive:") == 2


def test_the_status_says_how_far_a_training_is_and_how_long_it_is_stored() -> None:
    run = LiveRun("run:x", request(), Path("nowhere"), total=40)
    assert "2 trainings before it" in status(take_snapshot(run, 2), Limits())
    run.state, run.history = TRAINING, (Step(10, "contrastive", 1.0, 1e-4, 50, 2.0),)
    words = status(take_snapshot(run, 0), Limits(keep_runs_minutes=7))
    assert "step 10 of 40 · about 1 min left" in words
    assert "You may close this page" in words and "kept for 7 minutes" in words
    assert "<b>" not in words
    run.state, run.message = DONE, "It is <i>over</i>."
    words = status(take_snapshot(run, 0), Limits())
    assert "&lt;i&gt;over" in words and "Nothing was learned" in words


def test_scores_have_their_intervals_and_verdicts() -> None:
    def row(title: str, separable: bool) -> TaskChange:
        return TaskChange(
            task=title,
            measure="spearman",
            n=200,
            before=(0.25, 0.2, 0.3),
            after=(None, None, None),
            difference=(0.125, 0.1, 0.15),
            separable=separable,
        )

    words = before_after(
        [row(QUICK_TASKS[0].title, True), row("<script>", False)], ["stsb"], "measured on"
    )
    first, second = words.split("<tr>")[2:]
    assert "in-domain" in first and "in-domain" not in second
    assert "25.0" in first and "[20.0 … 30.0]" in first and "+12.5" in first
    assert ">separable" in first and ">not separable" in second
    assert "<td>–</td>" in first and "<script>" not in words


def test_a_failed_import_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    runs = RunQueue(lambda *_: None, Limits())
    with pytest.raises(EmbedLabError, match="gone"):
        runs.adopt(request(), tmp_path / "gone", tiny_backbone())
    assert runs.states == [] and not list(tmp_path.iterdir())
    runs.close()
