"""The quick tasks on the real backbone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy.stats import spearmanr

from embedlab import Design, embed
from embedlab.analysis import tasks
from embedlab.analysis.evaluation import compare, evaluate
from embedlab.analysis.tasks import QUICK_TASKS


def test_quick_tasks_cost_what_the_documentation_says(smollm2):
    costs = []
    for task in QUICK_TASKS:
        corpus = task.corpus()
        costs.append(sum(len(e.ids) for e in smollm2.encode(corpus.texts + corpus.queries)))
    assert costs == [3137, 12815, 3891, 4056] and sum(costs) == 23_899
    assert [task.category for task in QUICK_TASKS] == list(tasks.CATEGORY_MEASURES)[:4]


STS, _, _, CLUSTERING = QUICK_TASKS


def test_the_real_backbone_before_and_after_a_change_of_layer(smollm2):
    tasks = [replace(STS, size=40), replace(CLUSTERING, size=20, words=8)]
    before = evaluate(smollm2, Design.parse("causal/eos"), tasks, persist=False)
    after = evaluate(smollm2, Design.parse("causal/mean@1"), tasks, persist=False)
    sts, _ = compare(before, after)
    corpus = tasks[0].corpus()
    rows = embed(corpus.texts, Design.parse("causal/mean@1"), smollm2)
    cosines = [float(rows[i] @ rows[j]) for i, j, _ in corpus.pairs]
    expected = spearmanr(cosines, [gold for *_, gold in corpus.pairs]).statistic
    assert after[0].score == pytest.approx(expected, abs=1e-4)
    assert sts.difference[0] > 0.2 and sts.separable  # a mean near the input beats an EOS
