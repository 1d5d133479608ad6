"""Hidden states: what one pass of the backbone leaves behind, and the cache that keeps it.

Of every layer four vectors a text are enough for every pooling head: the last token, the first
token, and the mean and the position-weighted mean of all tokens *but* the first. The full means
follow from these by one addition. The other way round does not work: a first token thousands of
times larger than the rest (an attention sink) would swallow what is to be recovered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LAST, FIRST, REST_MEAN, REST_WEIGHTED = range(4)


@dataclass(frozen=True)
class TextStates:
    """One text under one attention mode, in the precision of the pass, on the CPU.

    ``bank`` is (4, L + 1, d): last token, first token, mean and position-weighted mean of the
    tokens after the first, for the embedding layer and layers 1 … L. ``tokens`` is (T, d), the
    last layer's tokens, or None where no head needs them. ``token_count`` is T, EOS included.
    """

    bank: Tensor
    tokens: Tensor | None
    token_count: int
    truncated: bool

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.bank.nbytes + (0 if self.tokens is None else self.tokens.nbytes)


def summarise(hidden_states: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Reduce a pass to the bank of :class:`TextStates`; differentiable.

    Args:
        hidden_states: L + 1 tensors (n, T, d), as transformers returns them.
        mask: (n, T), the tokenizer's attention mask; padding may stand on either side.

    Returns:
        (n, 4, L + 1, d) in the precision of the pass. A text of one token has rest means of zero.
    """
    mask = mask.to(hidden_states[0].device, torch.int64)
    rows = torch.arange(mask.shape[0], device=mask.device)
    first = mask.argmax(dim=1)
    last = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
    position = mask.cumsum(dim=1) * mask
    rest = torch.stack([(position > 1).float(), position * (position > 1)], dim=1)  # (n, 2, T)
    rest = rest / rest.sum(dim=2, keepdim=True).clamp(min=1.0)
    layers = []
    for h in hidden_states:
        # Sums run in float32: bfloat16 keeps eight bits, too few to add up hundreds of tokens.
        means = torch.bmm(rest, h.float()).to(h.dtype)  # (n, 2, d)
        layers.append(torch.stack([h[rows, last], h[rows, first], means[:, 0], means[:, 1]], dim=1))
    return torch.stack(layers, dim=2)


@dataclass(frozen=True)
class HiddenStates:
    """Hidden states of n texts under one attention mode: one pass, every head.

    All vectors come out as float32. Layers count from 0, the embedding layer, to
    L = ``num_layers``, after the final norm; negative layers count from the end.
    """

    rows: tuple[TextStates, ...]
    attention: str

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

    def last(self, layer: int = -1) -> Tensor:
        """(n, d): h^l at the last unmasked token, the EOS."""
        return self._gather(LAST, layer)

    def first(self, layer: int = -1) -> Tensor:
        """(n, d): h^l at the first token."""
        return self._gather(FIRST, layer)

    def mean(self, layer: int = -1, *, skip_first: bool = False) -> Tensor:
        """(n, d): Σ m_t h_t / Σ m_t; with ``skip_first`` over the tokens after the first."""
        n = self.token_counts[:, None].float()
        return self._with_first(REST_MEAN, layer, 1 / n, skip_first)

    def weighted_mean(self, layer: int = -1, *, skip_first: bool = False) -> Tensor:
        """(n, d): Σ w_t h_t / Σ w_t with w_t = m_t · cumsum(m)_t (SGPT, arXiv 2202.08904).

        With ``skip_first`` the first token's weight is zero and the others keep theirs.
        """
        n = self.token_counts[:, None].float()
        return self._with_first(REST_WEIGHTED, layer, 2 / (n * (n + 1)), skip_first)

    def last_of_layers(self) -> Tensor:
        """(n, L, d): the last token of layers 1 … L."""
        return torch.stack([row.bank[LAST, 1:] for row in self.rows]).float()

    def mean_of_layers(self) -> Tensor:
        """(n, L, d): the mean over all tokens of layers 1 … L."""
        bank = torch.stack([row.bank[[FIRST, REST_MEAN], 1:] for row in self.rows]).float()
        share = (1 / self.token_counts[:, None, None].float()).to(bank.device)
        return share * bank[:, 0] + (1 - share) * bank[:, 1]

    def tokens(self) -> tuple[Tensor, Tensor]:
        """The last layer's tokens, padded right: (n, T, d) and their mask (n, T) bool.

        Raises:
            LookupError: the pass did not keep them; causal passes do not.
        """
        kept = [row.tokens for row in self.rows if row.tokens is not None]
        if len(kept) < len(self.rows):
            raise LookupError(f"a {self.attention} pass keeps no tokens")
        padded = torch.nn.utils.rnn.pad_sequence([t.float() for t in kept], batch_first=True)
        mask = torch.arange(padded.shape[1])[None, :] < self.token_counts[:, None]
        return padded, mask.to(padded.device)

    def _gather(self, what: int, layer: int) -> Tensor:
        return torch.stack([row.bank[what, layer] for row in self.rows]).float()

    def _with_first(self, what: int, layer: int, share: Tensor, skip_first: bool) -> Tensor:
        if skip_first:  # a text of one token has no other to offer
            share = (self.token_counts[:, None] == 1).float()
        share = share.to(self.rows[0].bank.device)
        return share * self._gather(FIRST, layer) + (1 - share) * self._gather(what, layer)
