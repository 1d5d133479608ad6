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
from embedlab.models.attention import ends_in_the_last_token

if TYPE_CHECKING:
    from torch import Tensor

    from embedlab.models.backbone import Backbone
    from embedlab.models.design import Design
    from embedlab.models.states import Bank, HiddenStates
    from embedlab.models.values import ValueMap


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
#: NV-Embed's, made for d = 4096.
NV_EMBED_HEAD = HeadSize(latents=512, heads=8, head_dim=4096)


@dataclass(frozen=True, kw_only=True)
class ExportedModule:
    """The sentence-transformers module that computes a pooling in an exported folder.

    ``kind`` is the path of its class: the library's own, or one of ``export_pooling.py``, the file
    that then travels with the weights. ``settings`` become its JSON file and ``weights`` its
    safetensors. ``all_layers`` says whether it reads more layers than one.
    """

    kind: str
    settings: Mapping[str, Any]
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    all_layers: bool = False


class Pooling:
    """One way to turn hidden states into vectors; the base class of them all.

    A pooling without parameters overrides :meth:`from_bank` alone: its token weights and its export
    follow as long as the vector is a weighted sum of the tokens, linear in the bank's last token,
    first token and two rest means.
    """

    #: Whether it has parameters to learn.
    trainable = False
    #: Whether it reads the layer that a design names; if so, the layer plot shows a curve of it.
    reads_layer = True
    #: Whether the layer plot shows a curve of it even where no design on the table has it.
    has_curve = True
    #: Whether it takes a mean, from which ``+skip_first`` can leave the first token out.
    takes_mean = False
    #: Whether the layer plot can add a curve of it without the first token.
    curve_without_first = False
    #: What it reads of a text, for a sentence about a design.
    reads = "its tokens"
    #: What the attention of its head runs over: ``tokens``, ``layers`` or, where the tokens ask,
    #: ``latents``; empty without a head.
    attends_over = ""
    #: The size of its head, where it has one and no other is asked for.
    head_size = DEFAULT_HEAD
    #: Whether the end token is appended: always, never, or (None) behind prefixes only.
    appends_eos: bool | None = None
    #: Whether it reads what is computed between two layers rather than a layer's states.
    between_layers = False
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

    def pooled(self, states: HiddenStates, design: Design, backbone: Backbone) -> Tensor:
        """Pool n texts as a design says, over its layers too: (n, d), not normalised yet."""
        if design.layers is None:
            return self(states, design.layer, design.skip_first)
        first, last = design.layers
        return self.from_bank(states.bank(slice(first, last + 1)), design.skip_first).mean(dim=1)

    def width(self, design: Design, backbone: Backbone) -> int:
        """The length of a vector before the design's steps: d, but for ``value_mean``."""
        return backbone.hidden_size

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """For a trainable pooling: X, what its head reads of n texts, and a mask or None.

        X is (n, s, d) and the mask (n, s).
        """
        raise NotImplementedError

    def caveat(self, attention: str) -> str:
        """A sentence for readers of its numbers under this attention mode, or nothing."""
        return ""

    def token_weights(
        self, states: HiddenStates, design: Design, backbone: Backbone, hidden: Tensor
    ) -> Tensor:
        """The weight of each token of a single text, (T,); they sum to 1.

        ``hidden`` (L + 1, T, d) are the same text's tokens at every layer.
        """
        return self(states.of_unit_tokens(), skip_first=design.skip_first)[0]

    def export(self, design: Design, backbone: Backbone) -> ExportedModule:
        """The module that computes this pooling in an exported folder."""
        plain = not design.skip_first and design.layers is None
        if self.sentence_transformers_mode and plain:
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
            settings={"hidden_size": backbone.hidden_size, "longest": longest} | _range(design),
            weights={"shares": self._shares(longest, design.skip_first)},
            all_layers=design.layers is not None,
        )

    def _shares(self, longest: int, skip_first: bool) -> Tensor:
        """The share of each of the bank's four vectors in texts of 1 … ``longest`` tokens.

        Returns:
            (longest, 4), found by pooling a bank of unit vectors.
        """
        import torch

        from embedlab.models.states import Bank

        counts = torch.arange(1.0, longest + 1)[:, None]
        # The mean of scaled tokens is none of the four: its weights depend on the states.
        rows = torch.cat([torch.eye(4), torch.zeros(1, 4)])
        bank = Bank(counts, *rows[:, None].expand(-1, longest, 4))
        return self.from_bank(bank, skip_first)


class Eos(Pooling):
    """e = h^l at the end token, which is appended behind templates too."""

    reads = "the end token"
    appends_eos = True
    sentence_transformers_mode = "lasttoken"

    def from_bank(self, bank: Bank, skip_first: bool = False) -> Tensor:
        """(n, d) or (n, layers, d)."""
        return bank.last


class Last(Eos):
    """e = h^l at the last token of what was put in; no end token is appended."""

    reads = "the last token"
    appends_eos = False
    has_curve = False


class Mean(Pooling):
    """e = Σ m_t h_t / Σ m_t."""

    reads = "the mean of all tokens"
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

    reads = "the mean of all tokens, later ones counting more"
    takes_mean = True
    sentence_transformers_mode = "weightedmean"

    def from_bank(self, bank: Bank, skip_first: bool = False) -> Tensor:
        """(n, d) or (n, layers, d)."""
        first = 2 / (bank.counts * (bank.counts + 1))
        return _add_first(bank, bank.rest_weighted_mean, first, skip_first)


class RmsMean(Pooling):
    """e = Σ m_t h_t / rms(h_t) / Σ m_t: no token counts for more because its state is larger.

    rms(h)² is the mean of the squares of the d numbers, plus the backbone's epsilon.
    """

    reads = "the mean of all tokens at one size"
    has_curve = False

    def from_bank(self, bank: Bank, skip_first: bool = False) -> Tensor:
        """(n, d) or (n, layers, d)."""
        return bank.rms_mean

    def token_weights(
        self, states: HiddenStates, design: Design, backbone: Backbone, hidden: Tensor
    ) -> Tensor:
        """(T,): 1 / rms of each token, averaged over the design's layers."""
        first, last = design.layers or (design.layer, design.layer)
        chosen = hidden[first : last + 1] if design.layers else hidden[first][None]
        scale = (chosen.float().pow(2).mean(dim=-1) + backbone.rms_eps).rsqrt()
        return (scale / scale.sum(dim=-1, keepdim=True)).mean(dim=0)

    def export(self, design: Design, backbone: Backbone) -> ExportedModule:
        """The file's own module: the weights depend on the states."""
        return ExportedModule(
            kind="export_pooling.RmsMean",
            settings={"hidden_size": backbone.hidden_size, "eps": backbone.rms_eps}
            | _range(design),
            all_layers=design.layers is not None,
        )


class MeanLast(Pooling):
    """e = mean / |mean| + last / |last|, the hybrid of KV-Embedding (arXiv 2601.01046)."""

    reads = "the mean and the last token"
    has_curve = False

    def from_bank(self, bank: Bank, skip_first: bool = False) -> Tensor:
        """(n, d) or (n, layers, d)."""
        mean = _add_first(bank, bank.rest_mean, 1 / bank.counts, skip_first=False)
        return _normalised(mean) + _normalised(bank.last)

    def token_weights(
        self, states: HiddenStates, design: Design, backbone: Backbone, hidden: Tensor
    ) -> Tensor:
        """(T,): an equal share for every token, and the last token's own."""
        bank = states.bank(design.layers[1] if design.layers else design.layer)
        mean = _add_first(bank, bank.rest_mean, 1 / bank.counts, skip_first=False)[0].norm()
        count = states.rows[0].token_count
        weights = states.bank(0).counts.new_full((count,), float(1 / mean / count))
        weights[-1] += 1 / bank.last[0].norm()
        return weights / weights.sum()

    def export(self, design: Design, backbone: Backbone) -> ExportedModule:
        """The file's own module: it normalises twice."""
        return ExportedModule(
            kind="export_pooling.MeanLast",
            settings={"hidden_size": backbone.hidden_size} | _range(design),
            all_layers=design.layers is not None,
        )


class ValueMean(RmsMean):
    """The mean over tokens of the values of attention, concatenated over layers (2602.01572).

    ``@a..b`` are the values that the layers a + 1 … b compute from the states of a … b - 1, ``@a``
    those of layer a + 1, and without ``@`` they are those of all layers.
    """

    reads = "the mean of the attention values"
    between_layers = True

    def __call__(self, states: HiddenStates, layer: int = -1, skip_first: bool = False) -> Tensor:
        """It reads no single layer; :meth:`pooled` reads a design's."""
        raise LookupError("value_mean reads between two layers of a backbone")

    def pooled(self, states: HiddenStates, design: Design, backbone: Backbone) -> Tensor:
        """(n, (b - a) · values of a layer)."""
        import torch

        maps, (first, last) = self._maps(design, backbone)
        rows = states.rms_means(slice(first, last))
        values = [one(rows[:, i]) for i, one in enumerate(maps)]
        return torch.cat(values, dim=1)

    def width(self, design: Design, backbone: Backbone) -> int:
        """The values of all its layers."""
        return sum(one.width for one in self._maps(design, backbone)[0])

    def export(self, design: Design, backbone: Backbone) -> ExportedModule:
        """The value projections of its layers with the gains before them."""
        import torch

        maps, (first, _) = self._maps(design, backbone)
        weights: dict[str, Tensor] = {}
        with torch.no_grad():
            eye = torch.eye(backbone.hidden_size, device=maps[0].gain.device)
            for i, one in enumerate(maps):
                bias = one(torch.zeros_like(eye[:1]))[0]
                weights[f"bias.{i}"] = bias
                weights[f"weight.{i}"] = (one(eye) - bias).T.contiguous()
        return ExportedModule(
            kind="export_pooling.ValueMean",
            settings={
                "hidden_size": backbone.hidden_size,
                "eps": backbone.rms_eps,
                "first": first,
                "widths": [one.width for one in maps],
            },
            weights=weights,
            all_layers=True,
        )

    @staticmethod
    def _maps(design: Design, backbone: Backbone) -> tuple[list[ValueMap], tuple[int, int]]:
        """The value maps it uses, and a and b."""
        from embedlab.models.values import value_maps

        first, last = design.layers or (0, backbone.num_layers)
        if design.layers is None and design.layer != -1:
            first = design.layer % (backbone.num_layers + 1)
            last = first + 1
        if first >= backbone.num_layers:
            raise EmbedLabError(
                f"Behind layer {first} of {backbone.name} no values are computed; choose 0 to "
                f"{backbone.num_layers - 1}."
            )
        return value_maps(backbone)[first:last], (first, last)


def _add_first(bank: Bank, rest: Tensor, share: Tensor, skip_first: bool) -> Tensor:
    """Complete a mean over the tokens after the first by the first token's ``share``."""
    if skip_first:  # a text of one token has no other to offer
        share = (bank.counts == 1).float()
    return share * bank.first + (1 - share) * rest


def _normalised(vectors: Tensor) -> Tensor:
    unit: Tensor = vectors / vectors.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return unit


def _range(design: Design) -> dict[str, int]:
    """The layers that an exported pooling averages over, 0 and 0 for the design's one."""
    first, last = design.layers or (0, 0)
    return {"first": first, "last": last}


class TrainablePooling(Pooling):
    """A pooling with a :class:`~embedlab.models.head.TrainableHead`, which attends over X.

    A subclass says what X is in :meth:`inputs`. The parameters belong to a backbone and a design:
    :meth:`~embedlab.models.backbone.Backbone.head` has them.
    """

    trainable = True
    reads_layer = False

    def token_weights(
        self, states: HiddenStates, design: Design, backbone: Backbone, hidden: Tensor
    ) -> Tensor:
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
                "causal": ends_in_the_last_token(design.attention),
                "hidden_size": head.hidden_size,
                "layers": head.layers,
                "latent_count": head.latent_count,
                "heads": head.heads,
                "head_dim": head.head_dim,
                "inputs_ask": head.inputs_ask,
            },
            weights=head.state_dict(),
            all_layers=bool(head.layers),
        )


class LastLayerTrainable(TrainablePooling):
    """X is the last layer: the EOS token under causal attention, every token under bidirectional.

    Under causal attention (M2) there is one key, the softmax is 1, and neither W_q nor W_k gets a
    gradient: a degenerate design, kept because the paper has it.
    """

    attends_over = "tokens"

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """(n, 1, d) under causal attention, (n, T, d) with its mask under bidirectional."""
        if ends_in_the_last_token(states.attention):
            return states.bank().last[:, None], None
        return states.tokens()

    def caveat(self, attention: str) -> str:
        """M2 is degenerate."""
        if not ends_in_the_last_token(attention):
            return ""
        return (
            "M2 is degenerate. With a single key the softmax is 1, so its query and key weights do "
            "nothing; the paper has it, and so do we."
        )


class LatentAttention(LastLayerTrainable):
    """NV-Embed's head (arXiv 2405.17428): the tokens ask, the latents are what they can read.

    Each token reads the latents, goes through the feed-forward, and the mean over the tokens is the
    vector. X is that of ``last_layer_trainable``: under causal attention one token alone asks.
    Latents cost little here, since the feed-forward runs once a token, so there are as many as in
    the paper.
    """

    reads = "the mean of all tokens behind a trained head"
    attends_over = "latents"
    head_size = HeadSize(latents=512)

    def token_weights(
        self, states: HiddenStates, design: Design, backbone: Backbone, hidden: Tensor
    ) -> Tensor:
        """(T,): every token that asks counts the same."""
        rows, _ = self.inputs(states.of_unit_tokens())
        return rows[0].mean(dim=0)

    def caveat(self, attention: str) -> str:
        """NV-Embed has no causal mask."""
        if not ends_in_the_last_token(attention):
            return ""
        return (
            "Under causal attention this head reads the end token alone, since no other has seen "
            "the whole text; NV-Embed was made for bidirectional attention."
        )


class MultiLayerTrainable(TrainablePooling):
    """X has one vector for each layer 1 … L, to which the head adds a learned layer embedding.

    The vector is the EOS token under causal attention, the masked mean under bidirectional.
    """

    attends_over = "layers"

    def inputs(self, states: HiddenStates) -> tuple[Tensor, Tensor | None]:
        """(n, L, d)."""
        pooling = Eos() if ends_in_the_last_token(states.attention) else Mean()
        return pooling.from_bank(states.bank(slice(1, None))), None


POOLINGS: dict[str, Pooling] = {
    "eos": Eos(),
    "last": Last(),
    "mean": Mean(),
    "weighted_mean": WeightedMean(),
    "rms_mean": RmsMean(),
    "mean_last": MeanLast(),
    "value_mean": ValueMean(),
    "last_layer_trainable": LastLayerTrainable(),
    "multi_layer_trainable": MultiLayerTrainable(),
    "latent_attention": LatentAttention(),
}
