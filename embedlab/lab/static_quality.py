"""What a static model does beside the design it was distilled from: scores, and speed."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

from embedlab.analysis.evaluation import evaluate_on, score
from embedlab.analysis.tasks import MEASURE_NAMES, QUICK_TASKS
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.models.state_cache import StateCache
from embedlab.progress import Progress

if TYPE_CHECKING:
    from embedlab.export.static import StaticModel
    from embedlab.models.backbone import Backbone
    from embedlab.models.steps import FittedSteps

#: The quick tasks of short texts, which are cheap enough to be measured with every export.
MEASURED = ("stsb", "trec")
#: Texts that are timed.
TIMED = 200


def static_quality(
    model: StaticModel,
    backbone: Backbone,
    design: Design,
    steps: FittedSteps | None,
    progress: Progress,
) -> list[str]:
    """A sentence for each task, and one on the speed; or why nothing was measured."""
    from embedlab.models.embedding import embed

    tasks = [task for task in QUICK_TASKS if task.id in MEASURED]
    try:
        samples = [(task, task.corpus(progress)) for task in tasks]
    except EmbedLabError as error:
        return [f"Its quality was not measured: {error}"]
    lines = []
    originals = evaluate_on(samples, backbone, design, persist=False, progress=progress)
    for (task, corpus), original in zip(samples, originals, strict=True):
        ours = score(task, corpus, model.embed(corpus.texts))
        lines.append(
            f"{task.title}: {MEASURE_NAMES[task.measure]} × 100 {100 * ours.score:.1f} "
            f"({100 * ours.low:.1f} to {100 * ours.high:.1f}), the original "
            f"{100 * original.score:.1f} ({100 * original.low:.1f} to {100 * original.high:.1f})."
        )
    texts = samples[0][1].texts[:TIMED]
    uncached = copy.copy(backbone)
    uncached.cache = StateCache(0)
    start = time.perf_counter()
    embed(texts, design, uncached, fit=steps, progress=progress)
    slow = time.perf_counter() - start
    start = time.perf_counter()
    model.embed(texts)
    fast = time.perf_counter() - start
    lines.append(
        f"{len(texts):,} short texts took {1000 * fast:,.0f} ms, the original {slow:,.1f} s on the "
        f"same machine: {slow / fast:,.0f} times as fast."
    )
    return lines
