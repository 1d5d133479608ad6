"""Differentiable passes for training: texts to pooled vectors, a micro-batch at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from embedlab.models.attention import Attention, ends_in_the_last_token
from embedlab.models.backbone import Backbone, Encoded
from embedlab.models.design import Design
from embedlab.models.forward import Apart, layer_states
from embedlab.models.head import TrainableHead
from embedlab.models.pooling import POOLINGS
from embedlab.models.scheduler.batches import batches
from embedlab.models.states import BANK_ROWS, HiddenStates, TextStates, summarise
from embedlab.models.template import Template
from embedlab.training.lora import seeded
from embedlab.training.recipe import Recipe

#: The most full passes whose activations stay in memory, also where the recipe allows more.
PASSES_IN_MEMORY = 4
#: Micro-batches are not made smaller than this.
FEWEST_TOKENS = 32
#: A text, and whether it is a query (and so gets the query prompt).
PromptedText = tuple[str, bool]
Result = TypeVar("Result")


class Pooler:
    """Texts to pooled vectors under a design, for training: (n, d), not normalised.

    Where the head alone is trained, the hidden states are the frozen backbone's, from its cache,
    and no pass is made; else every call is a pass of the adapted backbone, with its gradient.

    ``head`` is None where the design has none; the recipe also sets the size of a micro-batch.
    """

    def __init__(
        self, backbone: Backbone, design: Design, recipe: Recipe, head: TrainableHead | None
    ) -> None:
        self.backbone, self.design, self.recipe = backbone, design, recipe
        self.head = head
        #: Tokens of a micro-batch, and of a batch whose activations stay in memory.
        self.budget = min(recipe.micro_tokens, backbone.token_budget)
        self.kept = min(recipe.keep_tokens, PASSES_IN_MEMORY * backbone.token_budget)
        frozen = recipe.mode == "head"
        native = backbone.native_head(design)
        self.native_head = None if native is None else copy.deepcopy(native).to(backbone.device)
        self.packer = None if frozen else Packer(backbone, design.mode)

    def encode(self, texts: Sequence[PromptedText]) -> list[Encoded]:
        """Token ids of n texts, with their prompts."""
        return self._by_prompt(texts, self.backbone.encode)

    def parts(self, encoded: Sequence[Encoded]) -> list[list[int]]:
        """Indices of the texts in micro-batches."""
        lengths = [len(e.ids) for e in encoded]
        if self.packer is None:
            return list(batches(lengths, self.budget))
        return self.packer.parts(lengths, self.budget)

    def halve(self) -> bool:
        """Half as much at once, for a GPU whose memory is too small; False where it is little."""
        self.budget, self.kept = self.budget // 2, self.kept // 2
        return self.budget >= FEWEST_TOKENS

    def pooled(
        self, batch: Sequence[PromptedText], encoded: Sequence[Encoded], seed: int
    ) -> Tensor:
        """(n, d) of a micro-batch; dropout is a function of ``seed``."""
        if self.packer is None:
            return self._pool(self._cached_states(batch))
        with seeded(self.backbone, seed):
            return self._pool(self._trained_states(self.packer, batch, encoded))

    def _pool(self, states: HiddenStates) -> Tensor:
        if self.head is not None:
            return self.head(states)  # type: ignore[no-any-return]
        pooled = POOLINGS[self.design.pooling].pooled(states, self.design, self.backbone)
        if self.native_head is not None:
            pooled = self.native_head(pooled.to(self.backbone.device))
        return pooled

    @property
    def vector_size(self) -> int:
        """The length of a pooled vector."""
        dense = None if self.native_head is None else self.native_head.output_size
        return dense or POOLINGS[self.design.pooling].width(self.design, self.backbone)

    def _by_prompt(
        self,
        texts: Sequence[PromptedText],
        compute: Callable[[list[str], Template], Sequence[Result]],
    ) -> list[Result]:
        """A result a text: computed of the queries and of the documents, each with their prompt."""
        results: dict[int, Result] = {}
        for is_query in (True, False):
            (template,) = self.design.templates(query=is_query)
            rows = [i for i, (_, query) in enumerate(texts) if query is is_query]
            if rows:
                computed = compute([texts[i][0] for i in rows], template)
                results.update(zip(rows, computed, strict=True))
        return [results[i] for i in range(len(texts))]

    def _cached_states(self, batch: Sequence[PromptedText]) -> HiddenStates:
        """Of the frozen backbone."""
        mode = self.design.mode

        def states_of(texts: list[str], template: Template) -> Sequence[TextStates]:
            states = self.backbone.states(texts, mode, template)
            return (states.of_text_tokens() if self.design.pools_text(template) else states).rows

        return HiddenStates(tuple(self._by_prompt(batch, states_of)), mode)

    def _trained_states(
        self, packer: Packer, texts: Sequence[PromptedText], batch: Sequence[Encoded]
    ) -> HiddenStates:
        """Of the adapted backbone, with a gradient."""
        layout = packer.layout(batch)
        hidden = packer.states(layout)
        # Only the layers that the pooling reads: a gradient of nothing costs time too.
        layers = self._layers_read(len(hidden))
        read = [layout.unpack(hidden[layer]) for layer in layers]
        pooled = self._pooled_tokens(texts, batch, layout.real)
        summaries = summarise(read, pooled, self.backbone.rms_eps)
        bank = summaries.new_zeros(len(batch), BANK_ROWS, len(hidden), summaries.shape[-1])
        bank[:, :, layers] = summaries
        last = layout.unpack(hidden[-1])
        counts = pooled.sum(dim=1).tolist()  # of all texts at once: each time a GPU is waited for
        rows = []
        for i, (encoded, count) in enumerate(zip(batch, counts, strict=True)):
            length = len(encoded.ids)
            tokens = None if ends_in_the_last_token(self.design.mode) else last[i, :length]
            rows.append(TextStates(bank[i], tokens, count, encoded.truncated))
        return HiddenStates(tuple(rows), self.design.mode)

    def _layers_read(self, count: int) -> list[int]:
        """The layers that the pooling reads, of ``count`` with the embedding layer."""
        if self.design.layers is not None:
            return list(range(self.design.layers[0], self.design.layers[1] + 1))
        one_layer = POOLINGS[self.design.pooling].reads_layer
        return [self.design.layer] if one_layer else list(range(count))

    def _pooled_tokens(
        self, texts: Sequence[PromptedText], batch: Sequence[Encoded], real: Tensor
    ) -> Tensor:
        """(n, T): the tokens that are pooled, all of them or the texts' own."""
        mask = real.long()
        for row, (_, query), encoded in zip(mask, texts, batch, strict=True):
            (template,) = self.design.templates(query=query)
            if encoded.text is not None and self.design.pools_text(template):
                row[: encoded.text[0]] = row[encoded.text[1] :] = 0
        return mask


#: Largest relative difference between a text's states packed and padded.
PACKING_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Layout:
    """How n texts of at most T tokens lie in a pass of R rows of N tokens.

    ``ids`` and ``positions`` are (R, N); ``mask`` is the model's, (R, N), or (n, 1, T, T) where
    attention splits the row into its texts (``apart``); ``token_index`` (n, T) has the index of
    each text's tokens among the R · N, and ``real`` (n, T) tells tokens from padding.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    token_index: Tensor
    real: Tensor
    apart: Apart | None = None

    def unpack(self, hidden: Tensor) -> Tensor:
        """(R, N, d) to (n, T, d)."""
        return hidden.flatten(0, 1)[self.token_index]


def padded(batch: Sequence[Encoded], backbone: Backbone) -> Layout:
    """A row a text, padded right."""
    rows = [list(encoded.ids) for encoded in batch]
    both = backbone.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
    ids, mask = (both[name].to(backbone.device) for name in ("input_ids", "attention_mask"))
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    token_index = torch.arange(ids.numel(), device=ids.device).view_as(ids)
    return Layout(ids, positions, mask, token_index, mask.bool())


def packed(batch: Sequence[Encoded], backbone: Backbone, attention: str) -> Layout:
    """All texts in one row, (1, N) with N the sum of their lengths."""
    lengths = torch.tensor([len(encoded.ids) for encoded in batch])
    starts = lengths.cumsum(0) - lengths
    across = torch.arange(int(lengths.max()))
    real = across[None] < lengths[:, None]
    token_index = (starts[:, None] + across[None]).where(real, torch.tensor(0))
    ids = torch.tensor([token for encoded in batch for token in encoded.ids])
    positions = across.expand(real.shape)[real]
    visible = real[:, None, :].expand(-1, len(across), -1)
    if attention == "causal":
        visible = visible & torch.ones(len(across), len(across), dtype=torch.bool).tril()
    # Additive, which every attention implementation takes.
    mask = torch.zeros(visible.shape, dtype=backbone.dtype)
    mask = mask.masked_fill(~visible, torch.finfo(backbone.dtype).min)[:, None]
    to = backbone.device
    token_index, real = token_index.to(to), real.to(to)
    apart = Apart(token_index, real.flatten().nonzero()[:, 0])
    return Layout(ids[None].to(to), positions[None].to(to), mask.to(to), token_index, real, apart)


class Packer:
    """Lays out micro-batches: packed on a CPU where the architecture lets it, else padded."""

    def __init__(self, backbone: Backbone, attention: str) -> None:
        self.backbone, self.attention = backbone, attention
        self.packs = (
            Attention.parse(attention).plain
            and backbone.device.type == "cpu"
            and backbone.owner.call(self._keeps_texts_apart)
        )
        self.window = getattr(backbone.config, "sliding_window", None) or backbone.max_length

    def parts(self, lengths: Sequence[int], budget: int) -> list[list[int]]:
        """Indices of n texts in micro-batches of about ``budget`` tokens at most."""
        if not self._fits(lengths):
            return list(batches(lengths, budget))
        # As few rows as hold all texts, evenly full: the longest text first, into the emptiest row.
        rows: list[list[int]] = [[] for _ in range(-(-sum(lengths) // budget))]
        full = [0] * len(rows)
        for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
            row = min(range(len(rows)), key=full.__getitem__)
            rows[row].append(i)
            full[row] += lengths[i]
        return [row for row in rows if row]

    def layout(self, batch: Sequence[Encoded]) -> Layout:
        """Of one micro-batch."""
        if self._fits([len(encoded.ids) for encoded in batch]):
            return packed(batch, self.backbone, self.attention)
        return padded(batch, self.backbone)

    def states(self, layout: Layout) -> tuple[Tensor, ...]:
        """Every layer's states of a micro-batch, (R, N, d) each.

        Between two layers, here and in a backward pass, the owner may let other requests go first.
        """
        model = self.backbone.model
        lists = (part for part in model.modules() if isinstance(part, nn.ModuleList))
        with ExitStack() as hooks:  # for this pass alone: later ones run without a break
            for layer in next(lists, nn.ModuleList()):
                hooks.callback(layer.register_forward_pre_hook(self._hand_over).remove)
            hidden = layer_states(
                model,
                self.attention,
                layout.mask,
                layout.positions,
                layout.apart,
                input_ids=layout.ids,
            )
        for states in hidden:
            if states.requires_grad:
                states.register_hook(self._hand_over)
        return hidden

    def _hand_over(self, *_: Any) -> None:
        self.backbone.owner.hand_over()

    def _fits(self, lengths: Sequence[int]) -> bool:
        # Our mask has no sliding window: longer texts are padded, under the library's mask.
        return self.packs and max(lengths) <= self.window

    @torch.no_grad()
    def _keeps_texts_apart(self) -> bool:
        """Whether texts in one row do not attend to each other with this architecture."""
        batch = [Encoded((7, 5, 3, 9, 4), False), Encoded((4, 8, 6), False)]
        states: list[Any] = []
        # Two draws of a dropout would differ and prove nothing.
        with _without_dropout(self.backbone.model):
            one_a_row = padded(batch, self.backbone)
            for layout in (one_a_row, packed(batch, self.backbone, self.attention)):
                try:
                    hidden = self.states(layout)
                except (RuntimeError, ValueError, TypeError, IndexError):
                    return False
                states.append([layout.unpack(h) * layout.real[..., None] for h in hidden])
        return all(
            float((one - other).float().norm() / one.float().norm()) < PACKING_TOLERANCE
            for one, other in zip(*states, strict=True)
        )


@contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for now; afterwards every module is as it was."""
    modules = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in modules:
            module.training = True
