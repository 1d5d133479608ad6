"""Poolings: how hidden states become one vector, and the one dict that names them.

A pooling is one class and one entry in :data:`POOLINGS`. It says everything about itself: how it
reads the hidden states, the weight it gives to each token, how it is exported, and what to warn of.
Formulas: arXiv 2409.02727; ``weighted_mean``: SGPT, arXiv 2202.08904.

Designs are read and checked long before anything is computed, so this module imports no torch: the
formulas are arithmetic on the tensors that they are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embedlab.errors import EmbedLabError

if TYPE_CHECKING:
    from torch import Tensor

    from embedlab.models.backbone import Backbone
    from embedlab.models.design import Design
    from embedlab.models.states import Bank, HiddenStates


@dataclass(frozen=True, kw_only=True)
class ExportedModule:
    """The sentence-transformers module that computes a pooling in an exported folder.

    ``kind`` is the path of its class: the library's own, or one of ``export_pooling.py``, the file
    that then travels with the weights. ``settings`` become its JSON file and ``weights`` its
    safetensors.
    """

    kind: str
    settings: Mapping[str, Any]
    weights: Mapping[str, Tensor] = field(default_factory=dict)


class Pooling:
    """One way to turn hidden states into vectors; the base class of them all.

    A pooling without parameters overrides :meth:`from_bank` alone: its token weights and its export
    follow as long as the vector is a weighted sum of the tokens, linear in the bank's four vectors.
    """

    #: Whether it has parameters to learn.
    trainable = False
    #: Whether it reads the layer that a design names; if so, the layer plot shows a curve of it.
    reads_layer = True
    #: Whether it takes a mean, from which ``+skip_first`` can leave the first token out.
    takes_mean = False
    #: Whether the layer plot can add a curve of it without the first token.
    curve_without_first = False
    #: What the attention of its head runs over, ``tokens`` or ``layers``; empty without a head.
    attends_over = ""
    #: The ``pooling_mode`` of sentence-transformers that computes the same; empty where none does.
    sentence_transformers_mode = ""

    def from_bank(self, bank: Bank, skip_first: bool = False) -> Tensor:
        """Pool n texts at one layer into (n, d), or at several layers at once into (n, layers, d).

        The vectors are not normalised yet.
        """
        raise NotImplementedError

    def __call__(self, states: HiddenStates, layer: int = -1, skip_first: bool = False) -> Tensor:
        """Pool n texts at a layer into (n, d), not normalised yet."""
        return self.from_bank(states.bank(layer), skip_first)

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """For a trainable pooling: X, what its head reads of n texts, and a mask or None.

        X is (n, s, d) and the mask (n, s).
        """
        raise NotImplementedError

    def caveat(self, attention: str) -> str:
        """A sentence for readers of its numbers under this attention mode, or nothing."""
        return ""

    def token_weights(self, states: HiddenStates, design: Design, backbone: Backbone) -> Tensor:
        """The weight of each token of a single text, (T,); they sum to 1."""
        return self(states.of_unit_tokens(), skip_first=design.skip_first)[0]

    def export(self, design: Design, backbone: Backbone) -> ExportedModule:
        """The module that computes this pooling in an exported folder."""
        if self.sentence_transformers_mode and not design.skip_first:
            return ExportedModule(
                kind="sentence_transformers.sentence_transformer.modules.pooling.Pooling",
                settings={
                    "embedding_dimension": backbone.hidden_size,
                    "pooling_mode": self.sentence_transformers_mode,
                    "include_prompt": True,
                },
            )
        # Users of the folder may raise its longest length up to what the model can position.
        longest = getattr(backbone.config, "max_position_embeddings", 0) or backbone.max_length
        return ExportedModule(
            kind="export_pooling.WeightedTokens",
            settings={"hidden_size": backbone.hidden_size, "longest": longest},
            weights={"shares": self._shares(longest, design.skip_first)},
        )

    def _shares(self, longest: int, skip_first: bool) -> Tensor:
        """The share of each of the bank's four vectors in texts of 1 … ``longest`` tokens.

        Returns:
            (longest, 4), found by pooling a bank of unit vectors.
        """
        import torch

        from embedlab.models.states import Bank

        counts = torch.arange(1.0, longest + 1)[:, None]
        bank = Bank(counts, *torch.eye(4)[:, None].expand(4, longest, 4))
        return self.from_bank(bank, skip_first)


class Eos(Pooling):
    """e = h^l at the last unmasked token."""

    sentence_transformers_mode = "lasttoken"

    def from_bank(self, bank: Bank, skip_first: bool = False) -> Tensor:
        """(n, d) or (n, layers, d)."""
        return bank.last


class Mean(Pooling):
    """e = Σ m_t h_t / Σ m_t."""

    takes_mean = True
    curve_without_first = True
    sentence_transformers_mode = "mean"

    def from_bank(self, bank: Bank, skip_first: bool = False) -> Tensor:
        """(n, d) or (n, layers, d)."""
        return _add_first(bank, bank.rest_mean, 1 / bank.counts, skip_first)


class WeightedMean(Pooling):
    """e = Σ w_t h_t / Σ w_t, with w_t = m_t · cumsum(m)_t, the token's position.

    Without the first token the others keep their weights.
    """

    takes_mean = True
    sentence_transformers_mode = "weightedmean"

    def from_bank(self, bank: Bank, skip_first: bool = False) -> Tensor:
        """(n, d) or (n, layers, d)."""
        first = 2 / (bank.counts * (bank.counts + 1))
        return _add_first(bank, bank.rest_weighted_mean, first, skip_first)


def _add_first(bank: Bank, rest: Tensor, share: Tensor, skip_first: bool) -> Tensor:
    """Complete a mean over the tokens after the first by the first token's ``share``."""
    if skip_first:  # a text of one token has no other to offer
        share = (bank.counts == 1).float()
    return share * bank.first + (1 - share) * rest


@dataclass(frozen=True)
class HeadSize:
    """Sizes of a trainable head: r latents, and attention heads of ``head_dim`` each.

    ``head_dim`` 0 means d / heads. The feed-forward runs once a latent and is nearly all of a
    head's work, so r decides whether a head keeps up with a live view on two CPU cores.
    """

    latents: int = 16
    heads: int = 8
    head_dim: int = 0
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - a run's file holds these sizes

    def __post_init__(self) -> None:
        if self.latents < 1 or self.heads < 1 or self.head_dim < 0:
            raise EmbedLabError(f"{self} is not a head size; latents and heads start at 1.")

    def dim_for(self, hidden_size: int) -> int:
        """The size of one attention head on a backbone of width d = ``hidden_size``."""
        return self.head_dim or max(1, hidden_size // self.heads)


#: For small backbones.
DEFAULT_HEAD = HeadSize()
#: The authors' sizes, made for d = 4096.
PAPER_HEAD = HeadSize(latents=768, heads=32, head_dim=2048)


class TrainablePooling(Pooling):
    """A pooling with a :class:`~embedlab.models.head.TrainableHead`, which attends over X.

    A subclass says what X is in :meth:`inputs`. The parameters belong to a backbone and a design:
    :meth:`~embedlab.models.backbone.Backbone.head` has them.
    """

    trainable = True
    reads_layer = False

    def token_weights(self, states: HiddenStates, design: Design, backbone: Backbone) -> Tensor:
        """(T,): the head's mean attention over the rows of X, times each token's part in a row."""
        attention = backbone.head(design).mean_attention(states)[0].mean(dim=0)
        rows, _ = self.inputs(states.of_unit_tokens())
        return attention @ rows[0]

    def export(self, design: Design, backbone: Backbone) -> ExportedModule:
        """The head with its weights, as ``export_pooling.py`` has it."""
        head = backbone.head(design)
        return ExportedModule(
            kind="export_pooling.TrainedHead",
            settings={
                "causal": design.attention == "causal",
                "hidden_size": head.hidden_size,
                "layers": head.layers,
                "latent_count": head.latent_count,
                "heads": head.heads,
                "head_dim": head.head_dim,
            },
            weights=head.state_dict(),
        )


class LastLayerTrainable(TrainablePooling):
    """X is the last layer: the EOS token under causal attention, every token under bidirectional.

    Under causal attention (M2) there is one key, the softmax is 1, and neither W_q nor W_k gets a
    gradient: a degenerate design, kept because the paper has it.
    """

    attends_over = "tokens"

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """(n, 1, d) under causal attention, (n, T, d) with its mask under bidirectional."""
        if states.attention == "causal":
            return states.bank().last[:, None], None
        return states.tokens()

    def caveat(self, attention: str) -> str:
        """M2 is degenerate."""
        if attention != "causal":
            return ""
        return (
            "M2 is degenerate. With a single key the softmax is 1, so its query and key weights do "
            "nothing; the paper has it, and so do we."
        )


class MultiLayerTrainable(TrainablePooling):
    """X has one vector for each layer 1 … L, to which the head adds a learned layer embedding.

    The vector is the EOS token under causal attention, the masked mean under bidirectional.
    """

    attends_over = "layers"

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """(n, L, d)."""
        pooling = Eos() if states.attention == "causal" else Mean()
        return pooling.from_bank(states.bank(slice(1, None))), None


POOLINGS: dict[str, Pooling] = {
    "eos": Eos(),
    "mean": Mean(),
    "weighted_mean": WeightedMean(),
    "last_layer_trainable": LastLayerTrainable(),
    "multi_layer_trainable": MultiLayerTrainable(),
}
