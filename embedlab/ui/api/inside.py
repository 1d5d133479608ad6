"""The endpoints of the inside tab, on the same terms as :mod:`embedlab.ui.api.endpoints`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab import inside
from embedlab.lab.lab import Lab
from embedlab.models.design import ATTENTIONS, Design
from embedlab.ui.shared import parse


def inside_endpoints(lab: Lab) -> list[Callable[..., dict[str, Any]]]:
    """``/layers``, ``/mask_proof``, ``/tokens`` and ``/key_tokens``."""

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
        texts = built_in(lab, corpus)
        modes, seed = (attention,) if attention else ATTENTIONS, lab.config.defaults.seed
        quality = inside.layer_curves(lab, texts, Design(), attentions=modes, seed=seed)
        curves = [
            {"design": curve.name, **_plain(curve, "scores", "low", "high")}
            for curve in quality.curves
        ]
        figures = _plain(quality, "measure", "unit", "n", "bootstrap")
        return described(texts) | figures | {"curves": curves}

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
        a, b = parse.string(text_a, "text_a"), parse.string(text_b, "text_b")
        inside.prepare_mask_proofs(lab, a, b)
        proofs = {mode: inside.mask_proof(lab, a, b, mode) for mode in ATTENTIONS}
        names = ("tokens_a", "tokens_b", "start", "first_changed", "moved", "largest_before")
        return {
            mode: _plain(proof, *names, "precision", "holds", "note")
            for mode, proof in proofs.items()
        }

    def tokens(text: str, design: str) -> dict[str, Any]:
        """A text as the backbone sees it, and what each token gives to its vector.

        Args:
            text: a short text.
            design: such as "causal/mean@20+skip_first", or M1 to M5.

        Returns:
            the tokens with their ids, weights, norms and cosines with the pooled vector, the layer,
            and the first token's norm over the median of the others'.
        """
        parsed = parse.design(design, "design")
        view = inside.token_view(lab, parse.string(text, "text"), parsed)
        names = ("layer", "token_count", "positions", "ids", "tokens", "weights", "norms")
        return {"design": str(parsed), **_plain(view, *names, "cosines", "norm_ratio", "note")}

    def key_tokens(texts: list[str], design: str) -> dict[str, Any]:
        """The words of the vocabulary that the pooled states of texts come nearest to.

        A lens, not a claim: what the language-model head would make of the state.

        Args:
            texts: a list of strings.
            design: such as "causal/last?template=topic"; its steps are left out.

        Returns:
            words: for each text the nearest words, each with its entry of the unembedding.
        """
        parsed, given = parse.design(design, "design"), parse.strings(texts)
        words = inside.key_words(lab, given, parsed)
        return {"design": str(parsed), "words": [[list(word) for word in row] for row in words]}

    return [layers, mask_proof, tokens, key_tokens]


def built_in(lab: Lab, corpus: str) -> Corpus:
    """A built-in corpus by its id, as its first view shows it."""
    return lab.corpus(parse.word(corpus, "corpus"), seed=lab.config.defaults.seed)


def described(corpus: Corpus) -> dict[str, Any]:
    """The fields of an answer that say which texts were taken."""
    return {"corpus": corpus.id, "texts": corpus.size_note}


def _plain(result: Any, *names: str) -> dict[str, Any]:
    """Some fields of a result as JSON values; a number that is not finite becomes null."""
    fields = {name: getattr(result, name) for name in names}
    return {
        name: np.where(np.isfinite(value), value.astype(object), np.array(None)).tolist()
        if isinstance(value, np.ndarray)
        else value
        for name, value in fields.items()
    }
