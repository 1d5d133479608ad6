"""A report beside an earlier one of the same designs and tasks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.command_line import run
from support.study_reports import made_up, study_folder

from embedlab.errors import EmbedLabError
from embedlab.study.beside import changes
from embedlab.study.report import Report, read_report

M1, M5 = "causal/eos", "bidirectional/multi_layer_trainable"


@pytest.fixture(scope="module")
def report() -> Report:
    return made_up()


def earlier(report: Report) -> Report:
    """A study in which M5 had 50 points less on STS and was not separable from M1 there."""
    m5 = next(i for i, m in enumerate(report.models) if m.label == M5 and m.compared)
    over = [
        replace(one, over=replace(one.over, separable=False))
        if (one.category, one.over.a, one.over.b) == ("STS", M1, M5)
        else one
        for one in report.over_datasets
    ]
    scores = [
        replace(score, score=score.score - 0.5)
        if score.model == m5 and score.task.startswith("sts")
        else score
        for score in report.scores
    ]
    claims = [replace(one, found="cannot tell") for one in report.claims]
    curves = [replace(one, points=one.points[:2]) for one in report.curves]
    parts = {"over_datasets": over, "scores": scores, "claims": claims, "curves": curves}
    return replace(report, name="short", **{name: tuple(part) for name, part in parts.items()})


def test_scores_verdicts_and_claims_that_changed_are_told(report):
    trained, sts, counted, *others = changes(report, earlier(report))
    assert trained == "Beside 'short': 1 steps, 2 seeds there, 3 steps, 2 seeds here."

    def mean(model: int) -> float:
        of_model = [s.score for s in report.scores if s.model == model]
        on = [task.category == "STS" for task in report.tasks]
        return 100 * float(np.mean(np.array(of_model)[on]))

    numbers = {m.label: i for i, m in enumerate(report.models) if m.compared}
    now = {label: mean(number) for label, number in numbers.items()}
    assert f"M5 {now[M5] - 50:.1f} → {now[M5]:.1f}" in sts
    assert f"M1 {now[M1]:.1f} → {now[M1]:.1f}" in sts
    best = max(now, key=now.get)
    then = max(now, key=lambda label: now[label] - 50 * (label == M5))
    short = {M1: "M1", M5: "M5", "bidirectional/last_layer_trainable": "M4"}
    ahead = f"{short[best]} is ahead, as it was" if best == then else f"now {short[best]} is."
    assert ahead in sts

    separable = sum(d.over.separable for d in report.over_datasets if d.category == "STS")
    assert f"{separable - 1} of 6 pairs of designs were separable, {separable} of 6 are." in counted
    assert "STS: M5 not separable from M1 then, now M5 above M1." in others
    found = next(one.found for one in report.claims if one.b == "M5" and one.category == "STS")
    assert f"Beside the paper's conclusion on M5, STS: 'cannot tell' then, {found!r} now." in others


def test_only_tasks_on_the_same_texts_are_compared(report):
    before = earlier(report)
    other = tuple(
        replace(task, sha256="ffff") if task.id == "sts-0" else task for task in before.tasks
    )
    lines = changes(report, replace(before, tasks=other))
    # Over sources the two have other tasks now, so only what is within a task is counted.
    assert any(line.startswith("STS, within tasks: ") for line in lines)
    assert not any(line.startswith("STS, over sources") for line in lines)
    with pytest.raises(EmbedLabError, match="'sizes' and 'words'"):
        changes(report, replace(before, tasks=tuple(replace(t, sha256="") for t in before.tasks)))


def test_the_command_writes_them_into_the_report(tmp_path):
    folder = study_folder(tmp_path / "now")
    command = ("study", "minutes", "--out", folder, "--report")
    assert run(*command)[0] == 0
    assert read_report(folder / "report.json").changes == ()
    assert run(*command, "--beside", folder)[0] == 0
    assert read_report(folder / "report.json").changes[0].startswith("Beside 'made up'")
    assert "What changed" in (folder / "report.html").read_text(encoding="utf-8")
    code, _, message = run(*command, "--beside", tmp_path)
    assert code == 2 and "holds no study report" in message
