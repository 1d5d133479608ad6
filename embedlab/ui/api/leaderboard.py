"""The endpoint ``/leaderboard``: every design on a corpus, or on texts that a client sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from embedlab.analysis.contestants import KINDS
from embedlab.analysis.leaderboard import answer
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab import leaderboard as board
from embedlab.lab.entries import entries_for
from embedlab.lab.lab import Lab
from embedlab.render.leaderboard import as_json
from embedlab.ui.api.inside import built_in, described
from embedlab.ui.shared import parse


def leaderboard_endpoint(lab: Lab) -> Callable[..., dict[str, Any]]:
    """``/leaderboard``."""

    def leaderboard(
        corpus: str = "",
        designs: list[str] | None = None,
        texts: list[str] | None = None,
        labels: list[str] | None = None,
        backbone: str = "",
    ) -> dict[str, Any]:
        """Compare designs on one corpus: scores with intervals, and what is separable.

        Args:
            corpus: a built-in corpus's id, such as "senses"; empty where texts are sent.
            designs: such as "causal/mean@11", or M1 to M5; empty for all presets, templates, steps
                and layers of interest, and MiniLM where it is at hand.
            texts: texts to compare on instead of a corpus.
            labels: a label for each text; without them there is a proposal, and no result.
            backbone: one of the backbones offered here; empty for the default one.

        Returns:
            measure, label_free, best, answer (sentences), rows (the best first: design, scores with
            intervals, loss, p after Holm's correction, separable, passes, tokens, seconds,
            dimension), agreement (neighbour_overlap and linear_cka, design by design), left_out.
        """
        chosen = [parse.design(each, "a design") for each in parse.strings(designs or [])]
        kinds = () if chosen else [kind for kind in KINDS if kind != "trained"]
        request = entries_for(
            lab,
            _corpus(lab, corpus, texts or [], labels or []),
            parse.word(backbone, "backbone"),
            kinds=kinds,
            designs=chosen,
            seed=lab.config.defaults.seed,
        )
        *_, table = board.leaderboard(lab, request)
        ranked = board.ranking(lab, table, table.first_measure)
        words = answer(ranked, len(request.corpus.texts))
        left_out = [{"design": name, "reason": reason} for name, reason in table.left_out]
        return (
            described(request.corpus)
            | as_json(ranked, table.measures, table.agreement, words)
            | {"left_out": left_out}
        )

    return leaderboard


def _corpus(lab: Lab, corpus: str, texts: list[str], labels: list[str]) -> Corpus:
    """The built-in corpus, or the texts that were sent."""
    if not texts:
        if labels:
            raise EmbedLabError("There are labels but no texts; send a text for each label.")
        return built_in(lab, corpus)
    if corpus:
        raise EmbedLabError("Send either a corpus or texts, not both.")
    sent = Corpus(id="own", title="texts of a request", texts=tuple(parse.strings(texts)))
    return replace(sent, fields={"label": tuple(parse.strings(labels))}) if labels else sent
