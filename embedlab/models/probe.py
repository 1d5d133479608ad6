"""The attention probe: does this architecture really obey the attention mode it is given?

Some ignore the mode, some obey it in a part of their layers or only where texts are padded, some
always look ahead. Their vectors would look plausible and mean nothing, so a mode that is not obeyed
by every layer is refused.

The probe follows gradients from each layer to the one below: the derivative of a token's state by
another token's state one layer below is exactly zero where the one does not read the other, in any
precision. What a layer reads is so told apart from what the layers under it have already mixed.

Modes that differ from layer to layer put an attention function of ours in the place of the
architecture's. They are probed alike, and that function has to give the architecture's own numbers
where both mean causal attention: one that knows no sinks or caps of scores would drop them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from embedlab.errors import EmbedLabError
from embedlab.models.attention import PROBED, Attention
from embedlab.models.backbone import Backbone
from embedlab.models.forward import is_bidirectional

#: Tokens of the probed text.
LENGTH = 6
#: Parameters that only state-space and other recurrent mixers have.
_RECURRENT = frozenset({"A_log", "dt_bias"})
_NOT_BY_LAYER = "its attention cannot be exchanged layer by layer"
_PARTS_LOST = "its attention has parts, such as sinks or caps of scores, that would be lost"


@dataclass(frozen=True, kw_only=True)
class ModeVerdict:
    """Whether an architecture can be used under an attention mode, and one sentence on it.

    The sentence has no full stop: ``every layer looks both ways``,
    ``3 of 4 layers look back only``.
    """

    accepted: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the probe saw of an architecture, such as ``llama``, under each mode.

    ``partly`` is ``bidirectional>k``.
    """

    architecture: str
    causal: ModeVerdict
    bidirectional: ModeVerdict
    rerouted: ModeVerdict
    partly: ModeVerdict

    @property
    def modes(self) -> dict[str, ModeVerdict]:
        """By the words that :data:`~embedlab.models.attention.PROBED` has for them."""
        verdicts = (self.causal, self.bidirectional, self.rerouted, self.partly)
        return dict(zip(PROBED, verdicts, strict=True))

    @property
    def refused(self) -> dict[str, str]:
        """The modes that cannot be used, with the reason."""
        return {name: mode.sentence for name, mode in self.modes.items() if not mode.accepted}


def leak_probe(backbone: Backbone) -> Verdict:
    """Probe a backbone, and note on it the attention modes that it has to refuse.

    Raises:
        EmbedLabError: names the architecture and why it cannot be used under any mode.
    """
    verdict = probe(backbone)
    made_so = is_bidirectional(backbone.config) and verdict.bidirectional.accepted
    if not verdict.causal.accepted and not made_so:
        raise EmbedLabError(
            f"{backbone.name} ({verdict.architecture}) cannot be used: "
            f"{verdict.causal.sentence}. Choose a decoder-only model such as SmolLM2, Qwen, "
            "Mistral, Llama or Gemma."
        )
    backbone.refused.update(verdict.refused)
    backbone.looks.update({name: mode.sentence for name, mode in verdict.modes.items()})
    return verdict


def probe(backbone: Backbone) -> Verdict:
    """Which attention modes this architecture obeys, in every layer, unpadded and padded."""
    return backbone.owner.call(partial(_verdict, backbone))


def _verdict(backbone: Backbone) -> Verdict:
    with _followed(backbone.model) as embeddings:
        plain = list(_passes(backbone, "causal"))
        if unclear := _states_in_order(backbone, plain[0], embeddings[0]):
            causal = bidirectional = rerouted = partly = _no(unclear)
        else:
            causal, bidirectional = _causal(backbone, plain), _bidirectional(backbone)
            rerouted, partly = _by_layer(backbone, plain[1])
            # These two are made out of the others.
            rerouted = rerouted if causal.accepted else causal
            partly = partly if bidirectional.accepted else bidirectional
    return Verdict(
        architecture=backbone.config.model_type,
        causal=causal,
        bidirectional=bidirectional,
        rerouted=rerouted,
        partly=partly,
    )


def _yes(sentence: str) -> ModeVerdict:
    return ModeVerdict(accepted=True, sentence=sentence)


def _no(sentence: str) -> ModeVerdict:
    return ModeVerdict(accepted=False, sentence=sentence)


def _causal(backbone: Backbone, passes: list[tuple[Tensor, ...]]) -> ModeVerdict:
    """Under causal attention no token may read a later one, nor padding."""
    first = [_read(hidden, 0) for hidden in passes]
    ahead = {layer for reads in first for layer, seen in enumerate(reads) if any(seen[1:])}
    if ahead and is_bidirectional(backbone.config):
        return _no(
            "its config makes it bidirectional (use_bidirectional_attention), so every token "
            "sees later ones"
        )
    if ahead:
        return _no("its tokens see later ones under causal attention")
    return _yes(f"every layer looks back{_windows(backbone, 'causal')}")


def _bidirectional(backbone: Backbone) -> ModeVerdict:
    """Under bidirectional attention every token must read all of its text, and no padding."""
    first = [_read(hidden, 0) for hidden in _passes(backbone, "bidirectional")]
    if any(any(seen[LENGTH:]) for reads in first for seen in reads):
        return _no("its tokens see padding under bidirectional attention")
    window = _window(backbone)
    unpadded, padded = (
        {layer for layer, seen in enumerate(reads) if not _reads_on(seen[:LENGTH], window)}
        for reads in first
    )
    if unpadded | padded:
        return _no(_looking_back(backbone, unpadded, padded))
    if mixers := _causal_mixers(backbone):
        many = f"{len(mixers)} of {backbone.num_layers} layers have"
        sentence = f"{many} a part that looks back only beside their attention"
        return _no(f"{sentence} ({', '.join(dict.fromkeys(mixers.values()))})")
    return _yes(f"every layer looks both ways{_windows(backbone, 'bidirectional')}")


def _by_layer(backbone: Backbone, causal: tuple[Tensor, ...]) -> tuple[ModeVerdict, ModeVerdict]:
    """The modes that differ from layer to layer, ``rerouted`` and ``bidirectional>k``.

    In a band over all layers the first token has to read the last one too, and no other ahead.
    Above layer L - 1 it has to read its whole text, up to there itself alone; and up to there the
    states have to be those of causal attention, which ours then is.

    Args:
        causal: the states of the padded texts under causal attention.
    """
    layers = backbone.num_layers
    above = max(1, layers - 1)
    try:
        rerouted = padded_states(backbone, str(Attention(mode="rerouted", band=(1, layers))))
        partly = padded_states(backbone, f"bidirectional>{above}")
    except Exception:  # whatever an attention raises that was not written for another function
        return _no(_NOT_BY_LAYER), _no(_NOT_BY_LAYER)
    if any(seen != {0, LENGTH - 1} for seen in _seen_by_first(rerouted)):
        return _no(_NOT_BY_LAYER), _no(_NOT_BY_LAYER)
    own_mask = is_bidirectional(backbone.config)  # and so nothing causal to compare with
    if not own_mask and not equal_states(partly[: above + 1], causal[: above + 1]):
        return _no(_PARTS_LOST), _no(_PARTS_LOST)
    first, last = Attention(mode="rerouted").band_of(layers)
    where = f"layers {first} to {last}" if first < last else f"layer {first}"
    splits = _splits(partly[above - 1 :], _window(backbone))
    both = "layers up to k look back, those above it both ways"
    return (
        _yes(f"all layers look back, and in {where} every token reads the last one too"),
        _yes(both) if splits else _no(_NOT_BY_LAYER),
    )


def _splits(hidden: tuple[Tensor, ...], window: int) -> bool:
    """Whether the first of one or two layers reads the first token alone, and the next its text."""
    below, *above = _seen_by_first(hidden)
    text = [[token in seen for token in range(LENGTH)] for seen in above]
    return below == {0} and all(_reads_on(seen, window) for seen in text)


def _seen_by_first(hidden: tuple[Tensor, ...]) -> list[set[int]]:
    """For each layer, the tokens of a padded text that its first one reads."""
    return [{token for token, moved in enumerate(seen) if moved} for seen in _read(hidden, 0)]


def equal_states(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> bool:
    """Whether the states of the texts are the same up to rounding, padding left out."""
    close = {torch.float32: 1e-4}.get(ours[0].dtype, 5e-2)
    for one, other in zip(ours, theirs, strict=True):
        a, b = (part.detach().float() for part in (one, other))
        for row, length in ((0, LENGTH), (1, LENGTH + 2)):
            apart = (a[row, :length] - b[row, :length]).abs().max()
            if not bool(apart <= close * b[row, :length].abs().max().clamp(min=1.0)):
                return False
    return True


def _reads_on(seen: list[bool], window: int) -> bool:
    """Whether the first token reads the whole text, or as far as a very short window lets it."""
    reach = sum(seen)
    return all(seen) or (window <= LENGTH + 2 and reach > 1 and all(seen[:reach]))


def _looking_back(backbone: Backbone, unpadded: set[int], padded: set[int]) -> str:
    """The reason where layers, counted from 0, do not look ahead."""
    back, layers = unpadded | padded, backbone.num_layers
    attends = any("att" in name.lower() for name, _ in backbone.model.named_modules())
    if unpadded == padded and len(back) == layers and attends:
        return "transformers ignores the attention mode of this architecture"
    many = f"all {layers} layers look" if len(back) == layers else ""
    many = many or f"{len(back)} of {layers} layers look{'s' * (len(back) == 1)}"
    where = ""
    if not unpadded:
        where = " where texts are padded"
    elif not padded:
        where = " where texts are not padded"
    return f"{many} back only{where}"


# What a layer reads


def _passes(backbone: Backbone, attention: str) -> Iterator[tuple[Tensor, ...]]:
    """The states of a text of :data:`LENGTH` tokens, alone, then padded beside a longer one."""
    yield _states(backbone, [_text(backbone)], [[1] * LENGTH], attention)
    yield padded_states(backbone, attention)


def padded_states(backbone: Backbone, attention: str) -> tuple[Tensor, ...]:
    """The states of the text, padded, and of one that is two tokens longer: (2, T, d) each."""
    size, pad = backbone.config.vocab_size, backbone.tokenizer.pad_token_id
    longer = [(5 * i + 2) % (size - 1) for i in range(LENGTH + 2)]
    rows = [[*_text(backbone), pad, pad], longer]
    return _states(backbone, rows, [[1] * LENGTH + [0, 0], [1] * len(longer)], attention)


def _text(backbone: Backbone) -> list[int]:
    return [(7 * i + 3) % (backbone.config.vocab_size - 1) for i in range(1, LENGTH + 1)]


def _states(
    backbone: Backbone, rows: list[list[int]], mask: list[list[int]], attention: str
) -> tuple[Tensor, ...]:
    ids, real = (torch.tensor(values, device=backbone.device) for values in (rows, mask))
    with torch.enable_grad():
        return backbone.hidden_states(ids, real, attention)


def _read(hidden: tuple[Tensor, ...], token: int) -> list[list[bool]]:
    """For each layer, which tokens of the layer below the first row's ``token`` reads."""
    return [_tokens_read(above, below, token) for below, above in pairwise(hidden)]


def _tokens_read(above: Tensor, below: Tensor, token: int) -> list[bool]:
    """Which tokens of ``below`` (n, T, d) the state ``above[0, token]`` depends on directly."""
    # A sum of all entries is constant behind some norms, so that its derivative would vanish.
    weights = torch.linspace(-1, 2, above.shape[-1], device=above.device, dtype=above.dtype)
    score = (above[0, token] * weights).sum()
    (gradient,) = torch.autograd.grad(score, below, retain_graph=True, allow_unused=True)
    if gradient is None:
        return [False] * below.shape[1]
    return [bool(moved) for moved in (gradient[0] != 0).any(dim=-1).tolist()]


@contextmanager
def _followed(model: Any) -> Iterator[list[Tensor]]:
    """Passes whose states can be followed back to the embeddings, whatever is frozen.

    Yields a list to which each pass adds the embeddings of its tokens.
    """
    embeddings: list[Tensor] = []

    def leaf(_: nn.Module, __: Any, embedded: Tensor) -> Tensor:
        embeddings.append(embedded.detach().requires_grad_())
        # The copy: some architectures scale the embeddings in place.
        return embeddings[-1].clone()

    hook = model.get_input_embeddings().register_forward_hook(leaf)
    try:
        yield embeddings
    finally:
        hook.remove()


def _states_in_order(backbone: Backbone, hidden: tuple[Tensor, ...], embedded: Tensor) -> str:
    """Why the states of the layers cannot be told apart, or nothing.

    There must be L + 1 of them, (n, T, d) each; the first, of the embedding layer, mixes no tokens,
    and each of the others is made from the one before.
    """
    layers = backbone.num_layers
    if len(hidden) != layers + 1 or any(states.dim() != 3 for states in hidden):
        return f"transformers does not give one state a token for each of its {layers} layers"
    if sum(_tokens_read(hidden[0], embedded, LENGTH - 1)) > 1:
        return "the states that transformers gives of its layers begin behind the first layer"
    if not all(any(seen) for seen in _read(hidden, LENGTH - 1)):
        return "the states that transformers gives of its layers do not follow from each other"
    return ""


# What a layer is made of


def _causal_mixers(backbone: Backbone) -> dict[int, str]:
    """Layers, from 0, with a causal convolution or a recurrence, and the class that it is in.

    Beside attention that looks both ways such a part goes unnoticed by the gradients.
    """
    lists = (part for part in backbone.model.modules() if isinstance(part, nn.ModuleList))
    layers = next((one for one in lists if len(one) == backbone.num_layers), nn.ModuleList())
    mixers = {}
    for number, layer in enumerate(layers):
        for part in layer.modules():
            parameters = {name for name, _ in part.named_parameters(recurse=False)}
            convolves = any(isinstance(child, nn.Conv1d) for child in part.children())
            if convolves or parameters & _RECURRENT:
                mixers[number] = type(part).__name__
                break
    return mixers


# How far a layer reads

_WINDOWS = ("sliding_window", "attention_window_size", "window_size", "attention_chunk_size")


def _window(backbone: Backbone) -> int:
    """The shortest window that the config names, or the longest text."""
    sizes = [getattr(backbone.config, name, None) for name in _WINDOWS]
    return min((s for s in sizes if isinstance(s, int) and s > 0), default=backbone.max_length)


def _windows(backbone: Backbone, attention: str) -> str:
    """``, 3 of 4 layers within 128 tokens`` where sliding windows are shorter than a text may be.

    The config says where to look, a text that is longer than the window what is there.
    """
    window = _window(backbone)
    length = min(backbone.max_length, window + window // 2 + 2)
    if length <= window:
        return ""
    ids = [(7 * i + 3) % (backbone.config.vocab_size - 1) for i in range(length)]
    hidden = _states(backbone, [ids], [[1] * length], attention)
    # From either end a token reads in one direction only.
    reads = _read(hidden, 0 if attention == "bidirectional" else length - 1)
    short = [reach for seen in reads if (reach := sum(seen)) < length]
    if not short:
        return ""
    share = "all" if len(short) == len(reads) else f"{len(short)} of {len(reads)}"
    return f", {share} within {min(short):,} tokens"
