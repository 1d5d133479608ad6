"""The designs that are compared on a corpus where nobody names any: presets, templates, layers.

Most of them read the same passes, so that the list is long and costs little.
"""

from __future__ import annotations

from collections.abc import Iterable

from embedlab.data.corpus import Corpus
from embedlab.models.design import BASELINES, PAPER, TRAINING_FREE, Design

#: The kinds of designs by their names for readers.
KINDS = {
    "presets": "Presets",
    "steps": "Steps",
    "layers": "Layers",
    "templates": "Templates",
    "trained": "Trained models",
    "yardstick": "MiniLM, the yardstick",
}
_STEPS = (
    "causal/eos+centre",
    "causal/mean+centre",
    "causal/weighted_mean",
    "bidirectional/mean+centre",
    "causal/mean+centre?template=echo",
    "rerouted/mean_last+centre?template=kv",
)
_TEMPLATES = (
    "causal/last?template=topic",
    "causal/last+centre?template=topic",
    "causal/last+filter1.5+centre?template=prompteol",
    "causal/last+centre?template=metaeol",
)


def _layers(last: int) -> tuple[str, ...]:
    """Layers of interest of a backbone with that many.

    The first, where words still are themselves; a third of the way, where sentences are best in
    many untrained models; four fifths, before the states turn to the next token.
    """
    third, late = max(1, round(last / 3)), max(1, round(0.8 * last))
    return (
        "causal/mean@1+skip_first",
        f"causal/mean@{third}+skip_first",
        f"causal/mean@{late}+skip_first",
        f"causal/mean@{late}+skip_first+centre",
        f"causal/rms_mean@{late}",
        "bidirectional/mean@1",
        f"bidirectional/mean@{third}+skip_first",
        f"causal/last@{late}?template=topic",
        f"causal/last@{late}+centre?template=topic",
        f"causal/last@{late}?template=prompteol",
    )


def _task_instructions(corpus: Corpus) -> Iterable[str]:
    """The instruction of each task that the corpus has something for; its document side is plain
    for retrieval, so that this needs a pass over the queries alone.
    """
    if corpus.queries:
        yield "causal/mean?template=task-retrieval"
    if corpus.pairs:
        yield "causal/mean?template=task-sts"
    if corpus.fields:
        yield "causal/mean?template=task-classification"
        yield "causal/mean?template=task-clustering"


def designs_of(kinds: Iterable[str], corpus: Corpus, num_layers: int) -> list[Design]:
    """The designs of some of :data:`KINDS` for a backbone, each once.

    Those that share passes stand together; the passes that most is expected of come first, so that
    somebody who does not wait for the end has seen them.
    """
    texts: dict[str, Iterable[str]] = {
        "steps": _STEPS,
        "layers": _layers(num_layers),
        "templates": (*_TEMPLATES, *_task_instructions(corpus)),
    }
    chosen = set(kinds)
    presets = [*PAPER.values(), *BASELINES.values(), *TRAINING_FREE.values()]
    designs = presets if "presets" in chosen else []
    for kind, written in texts.items():
        designs += [Design.parse(text) for text in written if kind in chosen]
    return sorted(dict.fromkeys(designs), key=_expected)


#: Templates and attention modes in the order in which they are computed.
_ORDER = ("", "topic", "prompteol", "echo", "kv", "metaeol")


def _expected(design: Design) -> tuple[int, int]:
    prompt = design.document_prompt
    place = _ORDER.index(prompt) if prompt in _ORDER else len(_ORDER)
    return (place if design.attention != "bidirectional" else 2, place)
