"""The inside tab's endpoints, on the same terms as :mod:`embedlab.ui.api.endpoints`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from embedlab.analysis import tokens as token_analysis
from embedlab.errors import EmbedLabError
from embedlab.lab.inside import layer_curves
from embedlab.lab.lab import Lab
from embedlab.models.design import ATTENTIONS, Design
from embedlab.ui.shared import parse


def inside_endpoints(lab: Lab) -> list[Callable[..., dict[str, Any]]]:
    """``/layers``, ``/mask_proof`` and ``/tokens``."""

    def layers(corpus: str, attention: str = "") -> dict[str, Any]:
        """Score every layer of the default backbone on a built-in corpus.

        Args:
            corpus: a built-in corpus's id, such as "senses".
            attention: causal or bidirectional; empty for both.

        Returns:
            measure, unit, n, bootstrap, and curves: each a design, its score at layers 0 to L, and
            the ends of its 95 % bootstrap band (null where there is none).
        """
        attention = parse.word(attention, "attention")
        if attention not in ("", *ATTENTIONS):
            raise EmbedLabError(
                f"{attention[:40]!r} is not an attention mode; use {' or '.join(ATTENTIONS)}, "
                "or leave it empty for both."
            )
        seed = lab.config.defaults.seed
        texts = lab.corpus(parse.word(corpus, "corpus"), seed=seed)
        modes = (attention,) if attention else ATTENTIONS
        found = layer_curves(lab, texts, Design(), attentions=modes, seed=seed)
        return {
            "corpus": texts.id,
            "texts": texts.size_note,
            "measure": found.measure,
            "unit": found.unit,
            "n": found.n,
            "bootstrap": found.bootstrap,
            "curves": [
                {
                    "design": curve.name,
                    "scores": _numbers(curve.scores),
                    "low": _numbers(curve.low),
                    "high": _numbers(curve.high),
                }
                for curve in found.curves
            ],
        }

    def mask_proof(text_a: str, text_b: str) -> dict[str, Any]:
        """Change the end of a text and see which hidden states move.

        Args:
            text_a: a sentence.
            text_b: the same sentence with another last word.

        Returns:
            causal and bidirectional: each the tokens of both texts, the first changed token, how
            far every state moved (layer by token), the largest movement before the change, and
            whether the attention mode kept its word.
        """
        given = parse.string(text_a, "text_a"), parse.string(text_b, "text_b")
        lab.check(given, Design())
        backbone = lab.backbone()
        answer = {}
        for attention in ATTENTIONS:
            proof = token_analysis.mask_proof(backbone, *given, attention)
            answer[attention] = {
                "tokens_a": list(proof.tokens_a),
                "tokens_b": list(proof.tokens_b),
                "start": proof.start,
                "first_changed": proof.first_changed,
                "moved": proof.moved.tolist(),
                "largest_before": proof.largest_before,
                "precision": proof.precision,
                "holds": proof.holds,
                "note": proof.note,
            }
        return answer

    def tokens(text: str, design: str) -> dict[str, Any]:
        """A text as the backbone sees it, and what each token gives to its vector.

        Args:
            text: a short text.
            design: such as "causal/mean@20+skip_first", or M1 to M5.

        Returns:
            the tokens with their ids, weights, norms and cosines with the pooled vector, the layer,
            and the first token's norm over the median of the others'.
        """
        given, parsed = parse.string(text, "text"), parse.design(design, "design")
        lab.check([given], parsed)
        view = token_analysis.token_view(lab.backbone(), given, parsed)
        return {
            "design": str(parsed),
            "layer": view.layer,
            "token_count": view.token_count,
            "positions": view.positions.tolist(),
            "ids": list(view.ids),
            "tokens": list(view.tokens),
            "weights": view.weights.tolist(),
            "norms": view.norms.tolist(),
            "cosines": view.cosines.tolist(),
            "norm_ratio": view.norm_ratio,
            "note": view.note,
        }

    return [layers, mask_proof, tokens]


def _numbers(values: Any) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
