"""What stands around a text's own tokens: what a tokenizer puts there, and the end token.

Tokenizers differ in what they add: nothing (SmolLM2), BOS (Gemma, Llama), BOS and EOS, or an end of
their own that is not their ``eos_token`` (Qwen3-Embedding: ``<|endoftext|>``). A model was trained
with what its tokenizer adds, so that is kept, cut texts included; EOS is appended where a tokenizer
ends texts with nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from embedlab.errors import EmbedLabError

#: Texts on which a tokenizer shows what it adds; of different tokens, and more than one.
_PROBES = ("a", "1", "The end.")
_DECODERS = "Choose a decoder-only model such as SmolLM2, Qwen, Mistral, Llama or Gemma."


@dataclass(frozen=True, kw_only=True)
class Framing:
    """The token ids around a text's own.

    ``before`` and ``added`` are what the tokenizer itself puts before and behind a text; ``end`` is
    what ends every text: ``added``, or EOS where that is empty. ``known`` is False for a tokenizer
    that changes a text's own tokens when it adds others, so that the two cannot be told apart.
    """

    before: tuple[int, ...]
    added: tuple[int, ...]
    end: tuple[int, ...]
    known: bool = True

    def behind(self, *, ended: bool) -> tuple[int, ...]:
        """What stands behind a text: the end token, or no more than the tokenizer itself adds."""
        return self.end if ended else self.added


def framing(tokenizer: Any, name: str) -> Framing:
    """What a tokenizer adds to a text, found by tokenising with and without special tokens.

    Raises:
        EmbedLabError: it ends texts with nothing and has no EOS token.
    """
    before, added, known = _added(tokenizer)
    eos = tokenizer.eos_token_id
    if not added and eos is None:
        raise EmbedLabError(
            f"{name} cannot be used: its tokenizer has no EOS token and ends texts with no other. "
            f"{_DECODERS}"
        )
    return Framing(before=before, added=added, end=added or (int(eos),), known=known)


def _added(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    frames = set()
    for text in _PROBES:
        whole = list(tokenizer(text, verbose=False)["input_ids"])
        bare = list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        starts = [
            i
            for i in range(len(whole) - len(bare) + 1)
            if bare and whole[i : i + len(bare)] == bare
        ]
        frames |= {(tuple(whole[:i]), tuple(whole[i + len(bare) :])) for i in starts[:1]}
        if bare and not starts:
            return (), (), False
    if len(frames) != 1:
        return (), (), False
    [(before, added)] = frames
    return before, added, True


def choose_padding(tokenizer: Any, framed: Framing, rows: int) -> str:
    """Pad on the right, with the end token where the tokenizer's own has no row in the embedding.

    Args:
        rows: of the model's embedding.

    Returns:
        Why another token than the tokenizer's own is taken, or nothing.

    Raises:
        EmbedLabError: a token that would stand around every text has no row in the embedding.
    """
    tokenizer.padding_side = "right"
    for token in (*framed.before, *framed.end):
        if token >= rows:
            raise EmbedLabError(
                f"The tokenizer puts {tokenizer.convert_ids_to_tokens(token)!r} (id {token}) "
                f"around every text, and the model's embedding has {rows:,} rows: the two are not "
                "of the same model. Take the tokenizer that belongs to the weights."
            )
    own = tokenizer.pad_token_id
    if own is not None and 0 <= own < rows:
        return ""
    was = f"{tokenizer.pad_token!r} (id {own}) is outside the embedding" if own is not None else ""
    eos = tokenizer.eos_token_id
    pad = framed.end[-1] if eos is None or eos >= rows else eos
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad)
    return was or "the tokenizer has no padding token"
