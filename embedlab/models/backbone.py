"""The backbone: tokenise, and one forward pass under an attention mode."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedlab import gpu
from embedlab.errors import EmbedLabError
from embedlab.models.attention import ATTENTIONS, Attention
from embedlab.models.design import Design
from embedlab.models.encoding import encode
from embedlab.models.float32 import float32_copy, merged_model
from embedlab.models.forward import layer_states
from embedlab.models.framing import Framing, choose_padding, framing
from embedlab.models.head import TrainableHead
from embedlab.models.native import NativeDesign
from embedlab.models.native_head import NativeHead
from embedlab.models.pooling import POOLINGS, HeadSize
from embedlab.models.scheduler.direct import Direct
from embedlab.models.scheduler.local import Local
from embedlab.models.scheduler.owner import Owner, TokenPass
from embedlab.models.state_cache import StateCache
from embedlab.models.states import Encoded as Encoded
from embedlab.models.states import HiddenStates, TextStates, text_states
from embedlab.models.steps import Step
from embedlab.models.template import Template
from embedlab.models.unembedding import read_unembedding, right_singular_vectors
from embedlab.models.wanted import Wanted, compute_states
from embedlab.progress import Progress, no_progress

#: Tokens a batch: large enough to keep the processor busy, small enough that another user's
#: query waits for seconds at most.
TOKEN_BUDGET = {"cpu": 1024, "cuda": 16_384}

#: Texts tokenised in one call.
TOKENISER_BATCH = 256


class Backbone:
    """A decoder-only LLM with its tokenizer; safe for many threads with different designs.

    Args:
        model: the transformer without a language-model head, as ``AutoModel`` gives it.
        tokenizer: its tokenizer; it must end texts itself or know an EOS token. Padding is set to
            the right, and to a token of which the model has an embedding.
        name: its name in the interface and in messages.
        key: identifies the weights; states are cached under it.
        source: where it came from, for the interface.
        note: a remark on its numbers, such as "4-bit weights, dequantised".
        max_length: longest text in tokens, the end token included.
        cache: for hidden states; by default 1 GB in memory.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        key: str = "",
        source: str = "",
        note: str = "",
        max_length: int = 512,
        cache: StateCache | None = None,
    ) -> None:
        self._framing: Framing | None = None
        known = framing(tokenizer, f"{name} ({model.config.model_type})")
        #: Rows of the embedding: a token of a higher id cannot be read.
        self.embedding_rows = int(model.get_input_embeddings().weight.shape[0])
        #: Why texts are padded with another token than the tokenizer's own, or nothing.
        self.padding_note = choose_padding(tokenizer, known, self.embedding_rows)
        self.model = model.eval()
        # Remembered: where a GPU is lent by the call, the weights are not here to be asked.
        first = next(model.parameters())
        #: Where the weights are.
        self.device: torch.device = first.device
        #: The precision of a pass.
        self.dtype: torch.dtype = first.dtype
        self.tokenizer = tokenizer
        self.name, self.source, self.note = name, source, note
        positions = getattr(self.config, "max_position_embeddings", None) or max_length
        self.max_length = min(max_length, positions)
        self.key = f"{key or f'{name}#{id(self)}'}|{self.dtype}|{self.device.type}|{max_length}"
        #: Identifies the weights without an adapter.
        self.base_key = self.key
        self.cache = StateCache(10**9) if cache is None else cache
        #: The size of new heads; None for what each pooling has by default.
        self.head_size: HeadSize | None = None
        #: Alone calls the model; shared with every backbone that shares the weights.
        self.owner: Owner = Local()
        #: Reads the model without its adapter from its files again, on the CPU.
        self.reload: Callable[[], Any] = lambda: copy.deepcopy(self.model)
        self._readable: Any = None
        #: The peft model around :attr:`model`, where a LoRA adapter is on it.
        self.adapter: Any = None
        #: Attention modes that this architecture or its config rules out, with the reason.
        self.refused: dict[str, str] = {}
        #: transformers' attention function for its own modes; empty for the one it was loaded with.
        self.implementation = ""
        #: What the attention probe saw under each mode, in a sentence without a full stop.
        self.looks: dict[str, str] = {}
        #: The design of its own files, where it is an embedding model already.
        self.native: NativeDesign | None = None
        #: What of its files stands against a native design, where it is an embedding model.
        self.no_native = ""
        self._guard = threading.Lock()
        self._basis: NDArray[np.float32] | None = None
        self._heads: dict[tuple[str, str], TrainableHead] = {}

    @property
    def config(self) -> Any:
        """The configuration of the text model."""
        return self.model.config.get_text_config()

    @property
    def num_layers(self) -> int:
        """L, the embedding layer not counted."""
        return int(self.config.num_hidden_layers)

    @property
    def hidden_size(self) -> int:
        """d."""
        return int(self.config.hidden_size)

    @property
    def framing(self) -> Framing:
        """What stands around a text's own tokens."""
        with self._guard:
            if self._framing is None:
                self._framing = framing(self.tokenizer, self.name)
            return self._framing

    @property
    def end_token(self) -> str:
        """What ends every text, as it is written; usually one token."""
        return "".join(self.tokenizer.convert_ids_to_tokens(list(self.framing.end)))

    def check_attention(self, attention: str) -> None:
        """Refuse an attention mode that this backbone does not have.

        Raises:
            EmbedLabError: it does not have it, or there is no such mode.
        """
        mode = Attention.parse(attention)
        mode.check(self.num_layers, self.name)
        reason = next((self.refused[each] for each in mode.probed if each in self.refused), "")
        if reason:
            others = [mode for mode in ATTENTIONS if mode not in self.refused]
            raise EmbedLabError(
                f"{self.name} ({self.config.model_type}) cannot be used with {attention} "
                f"attention: {reason}. Choose a {' or '.join(others)} design."
            )

    def check(self, design: Design) -> None:
        """Refuse a design this backbone cannot carry.

        Raises:
            EmbedLabError: it is vectors from a file, the layer does not exist, the attention mode
                is not one of this backbone's or its band is not within the layers, a step keeps
                more dimensions than there are, or the design is the native one of another.
        """
        if design.file:
            raise EmbedLabError(
                f"{design} is vectors from a file, of one corpus: {self.name} has no part in them. "
                "Choose a design of the backbone."
            )
        self.check_attention(design.mode)
        if design.native:
            self.native_design()
        if not -self.num_layers - 1 <= design.layer <= self.num_layers:
            raise EmbedLabError(
                f"{self.name} has no layer {design.layer}; choose 0 (the embedding layer) to "
                f"{self.num_layers}, or -1 for the last."
            )
        if design.layers and design.layers[1] > self.num_layers:
            raise EmbedLabError(
                f"{self.name} has no layers {design.layers[0]}..{design.layers[1]}; choose from 0 "
                f"(the embedding layer) to {self.num_layers}."
            )
        if self.native_head(design) and any(step.startswith("filter") for step in design.steps):
            raise EmbedLabError(
                f"+filter keeps directions of the unembedding, and {self.name} has layers behind "
                "the pooling; leave it out."
            )
        width = self.vector_size(design)
        for step in design.steps:
            width = Step.parse(step).width(width)

    def vector_size(self, design: Design) -> int:
        """The length of a design's vectors before its steps."""
        head = self.native_head(design)
        dense = None if head is None else head.output_size
        return dense or POOLINGS[design.pooling].width(design, self)

    @property
    def rms_eps(self) -> float:
        """What the backbone's RMS norms add to the mean square under the root."""
        return float(getattr(self.config, "rms_norm_eps", 0.0) or 0.0)

    def unembedding_basis(self) -> NDArray[np.float32]:
        """(d, d): the right singular vectors of the unembedding as rows, in falling order.

        Raises:
            EmbedLabError: the weights of the language-model head are not at hand.
        """
        with self._guard:
            if self._basis is None:
                self._basis = right_singular_vectors(read_unembedding(self))
            return self._basis

    def native_design(self) -> Design:
        """The design of this backbone's own files, prompts included.

        Raises:
            EmbedLabError: they describe none, or one that EmbedLab does not have.
        """
        if self.native is None:
            reason = self.no_native or "its files do not say how it embeds"
            raise EmbedLabError(
                f"{self.name} has no native design: {reason}. Choose another design, such as M1 or "
                "'causal/mean'."
            )
        return self.native.design

    def native_head(self, design: Design) -> NativeHead | None:
        """What follows the pooling of a native design, where something does."""
        return self.native.head if design.native and self.native is not None else None

    def head(self, design: Design) -> TrainableHead:
        """The trainable head of a design; seeded and untrained until training replaced it."""
        key = (design.mode, design.pooling)
        with self._guard:
            if key not in self._heads:
                self._heads[key] = self.new_head(design).eval().requires_grad_(False)
            return self._heads[key]

    def new_head(
        self, design: Design, size: HeadSize | None = None, seed: int = 0
    ) -> TrainableHead:
        """An untrained head for a design on this backbone, by default of :attr:`head_size`."""
        pooling = POOLINGS[design.pooling]
        size = size or self.head_size or pooling.head_size
        return TrainableHead(pooling, self.hidden_size, self.num_layers, size=size, seed=seed)

    def install(self, design: Design, head: TrainableHead) -> None:
        """Make a trained head the one that a design uses on this backbone."""
        with self._guard:
            self._heads[design.mode, design.pooling] = head.eval().requires_grad_(False)

    def version(self, design: Design) -> str:
        """Identifies all that a design's vectors depend on: weights, adapter, trained head."""
        parts = [self.key]
        if design.native and self.native is not None:
            parts.append(self.native.digest)
        if design.trainable and self.head(design).trained:
            parts.append(self.head(design).digest)
        return "|".join(parts)

    def sibling(self, name: str, model: Any = None, *, digest: str = "") -> Backbone:
        """A backbone that shares the weights, the tokenizer, the cache and the owner of this one.

        Args:
            model: this backbone's model with an adapter on it; by default the model itself.
            digest: identifies the adapter; without one hidden states are shared with this backbone.
        """
        other = copy.copy(self)
        other.name, other.model = name, self.model if model is None else model
        other.key = f"{self.key}|{digest}" if digest else self.key
        other._heads, other._readable = {}, None
        return other

    def reading(self, max_length: int) -> Backbone:
        """The same for texts of so many tokens at most, or as many as the model can position."""
        positions = getattr(self.config, "max_position_embeddings", None) or max_length
        longest = min(max_length, positions)
        if longest == self.max_length:
            return self
        other = self.sibling(self.name)
        other.max_length = longest
        # States of texts that are cut elsewhere are others.
        other.key, other.base_key = (f"{key}|{longest}" for key in (self.key, self.base_key))
        return other

    def in_own_process(self) -> Backbone:
        """The same for a process that was forked, where a thread that is gone may hold a lock."""
        other = self.sibling(self.name)
        other.owner, other.cache, other._guard = Direct(), StateCache(10**9), threading.Lock()
        return other

    def in_float32(self) -> Backbone:
        """The same in float32, for this caller alone: a copy on the CPU, or itself where it is."""
        return self if self.dtype == torch.float32 else self._of_float32(*float32_copy(self))

    def merged(self) -> Backbone:
        """The same in float32 with the adapter in its weights, for this caller alone."""
        return self._of_float32(merged_model(self), None)

    def _of_float32(self, model: Any, adapter: Any) -> Backbone:
        other = self.in_own_process()
        other.model, other.adapter, other.implementation = model, adapter, ""
        other.device, other.dtype = next(model.parameters()).device, torch.float32
        name, _, _, *weights = self.key.split("|")
        other.key = "|".join([name, "in float32", str(other.device), *weights])
        other._heads = {key: copy.deepcopy(head).cpu() for key, head in self._heads.items()}
        return other

    @property
    def readable(self) -> bool:
        """Whether this process has the weights: not where a GPU is lent by the call."""
        return not gpu.LENT or self.device.type == "cpu"

    @property
    def here(self) -> torch.device:
        """Where this process computes with what a pass left: the CPU where the GPU is lent."""
        return torch.device("cpu") if gpu.LENT else self.device

    def readable_model(self) -> Any:
        """The model, with its adapter, whose weights can be read in this process.

        Where they are not here, it is read from its files, once.
        """
        if self.readable:
            return self.model
        if self._readable is None:
            self._readable = merged_model(self)
        return self._readable

    def encode(
        self, texts: Sequence[str], prompt: str | Template = "", *, ended: bool = True
    ) -> list[Encoded]:
        """Token ids, at most ``max_length`` with the end, which is never cut off.

        Where a text is too long it is cut, never what stands around it.

        Args:
            prompt: a prefix, a text with ``{text}``, or a template.
            ended: whether the end token stands behind every text after a prefix; else only what the
                tokenizer itself adds does. A template says so itself.

        Raises:
            EmbedLabError: the template leaves no room for a text, or a text holds a token that the
                model has no embedding of.
        """
        return encode(self, texts, _template(prompt, ended))

    def tokenised(self, texts: Sequence[str], **options: Any) -> dict[str, list[Any]]:
        """What the tokenizer gives for any number of texts, by name; safe for many threads."""
        result: dict[str, list[Any]] = {}
        for start in range(0, len(texts), TOKENISER_BATCH):
            part = list(texts[start : start + TOKENISER_BATCH])
            with self._guard:  # released between two parts, so that other threads can tokenise
                answer = self.tokenizer(part, verbose=False, **options)
            for name, rows in answer.items():
                result.setdefault(name, []).extend(rows)
        return result

    def states(
        self,
        texts: Sequence[str],
        attention: str = "causal",
        prompt: str | Template = "",
        *,
        ended: bool = True,
        progress: Progress = no_progress,
        persist: bool = False,
    ) -> HiddenStates:
        """One pass, every head: the hidden states of n texts, from the cache where it has them.

        Args:
            texts: n strings, none of them empty.
            attention: a mode, such as ``causal``, ``bidirectional`` or ``rerouted``.
            prompt: stands around every text and counts as its tokens: a prefix, a text with
                ``{text}``, or a template.
            ended: as in :meth:`encode`.
            progress: called after every batch with texts done and texts in all; may raise.
                What was computed until then stays in the cache.
            persist: whether the cache may also write these states to its folder.

        Raises:
            EmbedLabError: no text, an empty text, or an attention mode that is unknown or that
                this backbone does not have.
        """
        template = _template(prompt, ended)
        wanted = Wanted(self, tuple(texts), attention, template, persist=persist)
        return compute_states([wanted], progress)[0]

    @property
    def token_budget(self) -> int:
        """The most tokens in one pass, so that other requests do not wait long for its end."""
        return TOKEN_BUDGET["cuda" if self.device.type == "cuda" else "cpu"]

    def token_states(
        self,
        input_ids: list[list[int]],
        mask: list[list[int]],
        attention: str,
        *,
        precise: bool = False,
    ) -> Tensor:
        """Every token of every layer, (L + 1, n, T, d) on the CPU, for probes of short texts.

        Args:
            input_ids: n rows of T token ids, padded by the caller.
            mask: n rows of T, 0 for padding.
            attention: as for :meth:`states`.
            precise: run through a float32 copy of weights that are of lower precision.
        """
        return self.owner.tokens([TokenPass(self, input_ids, mask, attention, precise)])[0]

    # What the owner calls

    @torch.no_grad()
    def run_batch(self, batch: list[Encoded], attention: str) -> list[TextStates]:
        """The states of one batch, on the CPU."""
        ids = [list(text.ids) for text in batch]
        padded = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self.device)
        mask = padded["attention_mask"]
        hidden = self.hidden_states(padded["input_ids"], mask, attention)
        return text_states(hidden, mask, batch, attention, self.rms_eps)

    @torch.no_grad()
    def run_tokens(
        self, input_ids: list[list[int]], mask: list[list[int]], attention: str, precise: bool
    ) -> Tensor:
        """What :meth:`token_states` returns."""
        runner = self
        if precise and self.dtype != torch.float32:
            runner = self.sibling(self.name, copy.deepcopy(self.model).float())
            runner.implementation = ""
        ids, real = (torch.tensor(rows, device=self.device) for rows in (input_ids, mask))
        return torch.stack(runner.hidden_states(ids, real, attention)).cpu()

    def hidden_states(
        self, input_ids: Tensor, attention_mask: Tensor, attention: str
    ) -> tuple[Tensor, ...]:
        """L + 1 tensors (n, T, d), straight from the model; for the owner alone.

        Positions count unmasked tokens, so that padding on either side changes nothing.
        """
        positions = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        return layer_states(
            self.model,
            attention,
            attention_mask,
            positions,
            plain=self.implementation,
            input_ids=input_ids,
        )


def _template(prompt: str | Template, ended: bool) -> Template:
    return Template.of(prompt, own_end=not ended) if isinstance(prompt, str) else prompt
