"""Hidden states: what one pass of the backbone leaves behind, and how poolings read it.

Of every layer five vectors a text are enough for every pooling head: the last token, the first
token, the mean and the position-weighted mean of all tokens *but* the first, and the mean of all
tokens divided by their root mean square. The full means follow from the rest means by one addition.
The other way round does not work: a first token thousands of times larger than the rest (an
attention sink) would swallow the small difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from embedlab.models.attention import ends_in_the_last_token

#: Numbers of hidden states gathered at once (32 MB): many layers of few texts, and few enough
#: for the allocator to hand out the same memory again.
BLOCK_NUMBERS = 8_000_000
#: Vectors of a text and layer in the bank.
BANK_ROWS = 5


@dataclass(frozen=True)
class Encoded:
    """A text as the backbone sees it: all token ids, and whether it was cut.

    ``text`` is where its own tokens begin and end among them, where that was looked up.
    """

    ids: tuple[int, ...]
    truncated: bool
    text: tuple[int, int] | None = None


@dataclass(frozen=True)
class TextStates:
    """One text under one attention mode, in the precision of the pass, on the CPU.

    ``bank`` is (5, L + 1, d), for the embedding layer and layers 1 … L: last token, first token,
    mean and position-weighted mean of the tokens after the first, and the mean of all tokens
    divided by their root mean square. ``squares`` (L + 1,) is the mean of the tokens' squared
    lengths. ``tokens`` is (T, d), the last layer's tokens, or None where no head needs them.
    ``token_count`` is T, EOS included.

    ``text_bank`` is the same as ``bank`` over the ``text_count`` tokens of the text itself, where
    a template stands around it.
    """

    bank: Tensor
    tokens: Tensor | None
    token_count: int
    truncated: bool
    squares: Tensor | None = None
    text_bank: Tensor | None = None
    text_count: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        held = (self.bank, self.tokens, self.squares, self.text_bank)
        return sum(tensor.nbytes for tensor in held if tensor is not None)


def summarise(hidden_states: Sequence[Tensor], mask: Tensor, eps: float = 1e-6) -> Tensor:
    """Reduce a pass to the bank of :class:`TextStates`; differentiable.

    Args:
        hidden_states: L + 1 tensors (n, T, d), as transformers returns them.
        mask: (n, T), the tokenizer's attention mask, or the tokens of a part of each text; other
            tokens may stand on either side.
        eps: is added to the mean square under the root.

    Returns:
        (n, 5, L + 1, d) in the precision of the pass. A text of one token has rest means of zero.
    """
    mask = mask.to(hidden_states[0].device, torch.int64)
    rows = torch.arange(mask.shape[0], device=mask.device)
    first = mask.argmax(dim=1)
    # argmax takes the first of equals, in the flipped mask the last.
    last = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
    position = mask.cumsum(dim=1) * mask
    # The weights of the two means over the tokens after the first, the second by position.
    rest = torch.stack([(position > 1).float(), position * (position > 1)], dim=1)  # (n, 2, T)
    rest = rest / rest.sum(dim=2, keepdim=True).clamp(min=1.0)
    every = mask / mask.sum(dim=1, keepdim=True).clamp(min=1)  # (n, T)
    layers = []
    for h in hidden_states:
        # Sums run in float32: bfloat16 keeps eight bits, too few to add up hundreds of tokens.
        exact = h.float()
        scale = (exact.pow(2).mean(dim=-1) + eps).clamp(min=1e-30).rsqrt()
        weights = torch.cat([rest, (every * scale)[:, None]], dim=1)  # (n, 3, T)
        means = torch.bmm(weights, exact).to(h.dtype).unbind(dim=1)  # (n, d) each
        layers.append(torch.stack([h[rows, last], h[rows, first], *means], dim=1))
    return torch.stack(layers, dim=2)


def mean_squares(hidden_states: Sequence[Tensor], mask: Tensor) -> Tensor:
    """(n, L + 1), float32: the mean over a text's tokens of their squared length."""
    every = mask / mask.sum(dim=1, keepdim=True).clamp(min=1)
    squares = [h.float().pow(2).sum(dim=-1) for h in hidden_states]  # (n, T) each
    return torch.stack([(every * one).sum(dim=1) for one in squares], dim=1)


def text_states(
    hidden: Sequence[Tensor], mask: Tensor, batch: Sequence[Encoded], attention: str, eps: float
) -> list[TextStates]:
    """What is kept of a padded batch, on the CPU.

    Args:
        hidden: L + 1 tensors (n, T, d), as transformers returns them.
        mask: (n, T), 0 for padding, which stands on the right.
        batch: the n texts.
        attention: the mode of the pass.
        eps: as for :func:`summarise`.
    """
    # One copy a batch from a GPU: every copy waits for it.
    bank, squares = summarise(hidden, mask, eps).cpu(), mean_squares(hidden, mask).cpu()
    text_bank = None
    if any(text.text for text in batch):
        text_mask = torch.zeros_like(mask)
        for row, text in zip(text_mask, batch, strict=True):
            row[slice(*(text.text or (0, 1)))] = 1
        text_bank = summarise(hidden, text_mask, eps).cpu()
    # No head reads the tokens of a causal pass, and they are most of what could be stored.
    tokens = None if ends_in_the_last_token(attention) else hidden[-1].cpu()
    return [
        TextStates(
            # Cloned row by row: a view would keep the whole batch alive as long as one text.
            bank[i].clone(),
            None if tokens is None else tokens[i, : len(text.ids)].clone(),
            len(text.ids),
            text.truncated,
            squares[i].clone(),
            None if text_bank is None or text.text is None else text_bank[i].clone(),
            0 if text.text is None else text.text[1] - text.text[0],
        )
        for i, text in enumerate(batch)
    ]


class Bank(NamedTuple):
    """The banks of n texts at one layer, or at several at once: what a pooling reads, in float32.

    Each vector is (n, d), or (n, layers, d). ``counts`` is the number of tokens of each text, as
    floats and (n, 1) or (n, 1, 1), so that it multiplies vectors. The rest means are over the
    tokens after the first, one of them weighted by the position in the text, and zero for a text
    of one token. ``rms_mean`` is the mean of all tokens, each divided by its root mean square.
    """

    counts: Tensor
    last: Tensor
    first: Tensor
    rest_mean: Tensor
    rest_weighted_mean: Tensor
    rms_mean: Tensor


@dataclass(frozen=True)
class HiddenStates:
    """Hidden states of n texts under one attention mode: one pass, every head.

    All vectors come out as float32. Layers count from 0, the embedding layer, to
    L = ``num_layers``, after the final norm; negative layers count from the end.
    """

    rows: tuple[TextStates, ...]
    attention: str

    @classmethod
    def of_text(
        cls,
        hidden: Tensor,
        attention: str,
        *,
        truncated: bool = False,
        eps: float = 1e-6,
        text: tuple[int, int] | None = None,
    ) -> HiddenStates:
        """One text's states from its tokens at every layer, (L + 1, T, d).

        ``text`` is where its own tokens begin and end inside a template.
        """
        count = hidden.shape[1]
        layers, mask = [layer[None] for layer in hidden], torch.ones(1, count)
        bank = summarise(layers, mask, eps)[0]
        row = TextStates(bank, hidden[-1], count, truncated, mean_squares(layers, mask)[0])
        if text is not None:
            own = torch.zeros(1, count)
            own[0, slice(*text)] = 1
            row = replace(
                row, text_bank=summarise(layers, own, eps)[0], text_count=text[1] - text[0]
            )
        return cls((row,), attention)

    def of_unit_tokens(self) -> HiddenStates:
        """States of a text as long as the first, whose tokens are unit vectors, (T,) each.

        What a pooling makes of them is the weight it gives to each token.
        """
        count = self.rows[0].token_count
        tokens = torch.eye(count).expand(self.num_layers + 1, count, count)
        return HiddenStates.of_text(tokens, self.attention)

    def of_text_tokens(self) -> HiddenStates:
        """The same texts as if they had their own tokens alone, without what stands around them.

        Raises:
            LookupError: the pass did not keep them.
        """
        rows = []
        for row in self.rows:
            if row.text_bank is None:
                raise LookupError("the pass kept no tokens of the texts alone")
            rows.append(TextStates(row.text_bank, None, row.text_count, row.truncated))
        return HiddenStates(tuple(rows), self.attention)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Sequence[int]) -> HiddenStates:
        """The same states for some of the texts, in the given order."""
        return HiddenStates(tuple(self.rows[i] for i in indices), self.attention)

    @property
    def num_layers(self) -> int:
        """L, the embedding layer not counted."""
        return self.rows[0].bank.shape[1] - 1

    @property
    def token_counts(self) -> Tensor:
        """(n,) int64: tokens a text, EOS and prompt included."""
        return torch.tensor([row.token_count for row in self.rows])

    @property
    def truncated(self) -> Tensor:
        """(n,) bool: whether a text was cut to the longest length."""
        return torch.tensor([row.truncated for row in self.rows], dtype=torch.bool)

    def bank(self, layers: int | slice = -1) -> Bank:
        """What poolings read at a layer, or at a slice of layers."""
        return self._bank(self._gather(layers))

    def rms_means(self, layers: slice) -> Tensor:
        """(n, layers, d): the last row of the bank alone, at a slice of layers."""
        return torch.stack([row.bank[-1, layers] for row in self.rows]).float()

    def layer_banks(self) -> Iterator[Bank]:
        """What poolings read at layer 0, 1, … L, one after the other.

        Many layers are gathered at once, several times faster than one gather for each layer.
        """
        step = max(1, BLOCK_NUMBERS // (len(self) * self.rows[0].bank[:, 0].numel()))
        for start in range(0, self.num_layers + 1, step):
            for vectors in self._gather(slice(start, start + step)).unbind(dim=2):
                yield self._bank(vectors)

    def tokens(self) -> tuple[Tensor, Tensor]:
        """The last layer's tokens, padded right: (n, T, d) and their mask (n, T) bool.

        Raises:
            LookupError: the pass did not keep them; causal passes do not.
        """
        tokens = [row.tokens for row in self.rows if row.tokens is not None]
        if len(tokens) < len(self.rows):
            raise LookupError(f"a {self.attention} pass keeps no tokens")
        padded = torch.nn.utils.rnn.pad_sequence([t.float() for t in tokens], batch_first=True)
        mask = torch.arange(padded.shape[1])[None, :] < self.token_counts[:, None]
        return padded, mask.to(padded.device)

    def _gather(self, layers: int | slice) -> Tensor:
        """(n, 5, d), or (n, 5, layers, d)."""
        return torch.stack([row.bank[:, layers] for row in self.rows]).float()

    def _bank(self, vectors: Tensor) -> Bank:
        counts = self.token_counts.to(vectors).view(-1, *[1] * (vectors.dim() - 2))
        return Bank(counts, *vectors.unbind(dim=1))
