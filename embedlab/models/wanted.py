"""Hidden states that somebody needs: from the caches, and what is missing from passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedlab.errors import EmbedLabError
from embedlab.models.scheduler.owner import Owner, TextPass
from embedlab.models.state_cache import state_key
from embedlab.models.states import HiddenStates, TextStates
from embedlab.models.template import Template
from embedlab.progress import Progress, no_progress

if TYPE_CHECKING:
    from embedlab.models.backbone import Backbone


@dataclass(frozen=True)
class Wanted:
    """Hidden states that somebody needs; see :meth:`Backbone.states`."""

    backbone: Backbone
    texts: tuple[str, ...]
    attention: str
    template: Template
    persist: bool = False

    @property
    def keys(self) -> list[str]:
        """Under which the cache has them."""
        key, attention, template = self.backbone.key, self.attention, self.template
        framing = self.backbone.framing
        if template.own_end and framing.added != framing.end:
            key = f"{key}|no end"
        return [state_key(key, attention, template.key, text) for text in self.texts]

    def check(self) -> None:
        """Refuse what no pass can answer."""
        _check_texts(self.texts)
        self.backbone.check_attention(self.attention)


def compute_states(
    wanted: Sequence[Wanted], progress: Progress = no_progress
) -> list[HiddenStates]:
    """Hidden states, from the caches where they are there; what is missing all at once.

    Where a GPU is lent by the call, this is one call.

    Args:
        wanted: what is needed, each of any backbone.
        progress: as for :meth:`Backbone.states`.

    Raises:
        EmbedLabError: no text, an empty text, or an attention mode that is unknown or that the
            backbone does not have.
    """
    for each in wanted:
        each.check()
    # Results are held here too, because a cache may be too small for all of them.
    states: dict[str, TextStates] = {}
    needed: dict[str, Wanted] = {}
    passes: dict[Owner, list[TextPass]] = {}
    for each in wanted:
        # The same text twice is looked up and run once.
        texts = {k: t for k, t in zip(each.keys, each.texts, strict=True) if k not in needed}
        needed |= dict.fromkeys(texts, each)
        cached = {key: each.backbone.cache.get(key) for key in texts}
        states |= {key: entry for key, entry in cached.items() if entry is not None}
        missing = {key: text for key, text in texts.items() if cached[key] is None}
        rows = each.backbone.encode(list(missing.values()), each.template)
        encoded = dict(zip(missing, rows, strict=True))
        owner = each.backbone.owner
        passes.setdefault(owner, []).append(TextPass(each.backbone, encoded, each.attention))
    total = sum(len(each.texts) for each in wanted)
    done = total - sum(len(each.texts) for own in passes.values() for each in own)
    label = f"embedding, {' and '.join(dict.fromkeys(each.attention for each in wanted))}"
    for owner, own in passes.items():

        def report(now: int, _: int, what: str, before: int = done) -> None:
            progress(before + now, total, what)

        for key, entry in owner.run(own, report, label):
            states[key] = entry
            needed[key].backbone.cache.put(key, entry, persist=needed[key].persist)
        done += sum(len(each.texts) for each in own)
    progress(total, total, label)
    return [
        HiddenStates(tuple(states[key] for key in each.keys), each.attention) for each in wanted
    ]


def _check_texts(texts: Sequence[str]) -> None:
    if not texts:
        raise EmbedLabError("There is no text to embed; give at least one.")
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise EmbedLabError(f"Text {number} is not a string but {type(text).__name__}.")
        if not text.strip():
            raise EmbedLabError(f"Text {number} is empty; remove it or write something.")
