"""Inside one pass: what a token sees, its part in the vector, and where a trained head attends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from embedlab.analysis.retrieval import Float32Array
from embedlab.errors import EmbedLabError
from embedlab.models.attention import Attention
from embedlab.models.backbone import Backbone, Encoded
from embedlab.models.design import Design
from embedlab.models.embedding import pool
from embedlab.models.head import TrainableHead
from embedlab.models.pooling import POOLINGS
from embedlab.models.scheduler.owner import TokenPass
from embedlab.models.states import HiddenStates

#: Tokens that a mask proof and a token view show; longer texts are shortened with a note.
PROOF_TOKENS, VIEW_TOKENS = 64, 128
#: Parameters up to which a backbone of lower precision is copied in float32 for the proof.
MOST_COPIED_PARAMETERS = 500_000_000


@dataclass(frozen=True, eq=False)
class MaskProof:
    """How far each hidden state moved when a text was changed.

    ``moved`` is (L + 1, s): |h_b - h_a| / |h_a| at every layer, for the s tokens shown, which begin
    at token ``start`` of both texts. ``first_changed`` is the first token that differs, counted
    from the beginning of the text. ``largest_before`` is the largest movement of any token before
    it; up to ``rounding`` it counts as nothing. ``holds`` says whether the attention mode was
    obeyed: under causal attention nothing before the change moved, under bidirectional attention
    something did; the other modes are causal in their lower layers, and something moved above.
    """

    attention: str
    tokens_a: tuple[str, ...]
    tokens_b: tuple[str, ...]
    start: int
    moved: Float32Array
    first_changed: int
    largest_before: float
    rounding: float
    precision: str
    holds: bool
    note: str


@dataclass(frozen=True, eq=False)
class TokenView:
    """A text's tokens and the part of each in its vector, at ``layer`` (0 … L) of the design.

    For the s tokens at ``positions`` of ``token_count``: ``ids``, readable ``tokens``, ``cosines``
    with the pooled vector, ``norms``, and ``weights`` under the pooling (all weights of the text
    sum to 1). ``norm_ratio`` is the first token's norm over the median of the others': far above 1
    it is an attention sink. A trainable head's vector lives in a space of its own, so the cosines
    mean little there.
    """

    design: Design
    layer: int
    token_count: int
    positions: npt.NDArray[np.int64]
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    cosines: Float32Array
    norms: Float32Array
    weights: Float32Array
    norm_ratio: float
    note: str


@dataclass(frozen=True, eq=False)
class HeadAttention:
    """Where a trainable head looks, averaged over what asks; every distribution sums to 1.

    ``over`` is ``layers`` (s = L, layers 1 … L), ``tokens`` (s = tokens of the longest text,
    those a shorter one lacks weigh 0) or, where the tokens ask, ``latents``. ``per_head``
    (heads, s) is averaged over texts, ``mean`` (s,) over heads too. Over tokens the averages over
    texts say little: give one text at a time.
    """

    over: str
    trained: bool
    per_head: Float32Array
    mean: Float32Array


def mask_proof(backbone: Backbone, text_a: str, text_b: str, attention: str) -> MaskProof:
    """Run two texts in one batch at one length and measure how far each hidden state moved.

    In float32, so that "nothing" is zero and not rounding: a backbone of lower precision runs
    through a float32 copy of its weights, or, above 500 million parameters, in its own precision
    with a wider bound. Where one text has fewer tokens it is padded on the right, masked, and only
    the tokens that both have are compared. No prompt stands before the texts.

    Raises:
        EmbedLabError: an empty text, the same tokens twice, or texts that differ from their first
            token on.
    """
    mode = Attention.parse(attention)
    _check(text_a, text_b)
    a, b = backbone.encode([text_a, text_b])
    shared = min(len(a.ids), len(b.ids))
    changed = next((i for i in range(shared) if a.ids[i] != b.ids[i]), None)
    if changed is None:
        cut = f", once cut to {backbone.max_length} tokens" if a.truncated or b.truncated else ""
        raise EmbedLabError(f"Both texts are the same{cut}; change the last word of one.")
    if changed == 0:
        raise EmbedLabError(
            "The texts differ from their first token on, so nothing stands before the change; "
            "keep the beginning and change the last word."
        )
    hidden, precision = _float32_pass(backbone, [a.ids, b.ids], attention)
    before, after = hidden[:, 0, :shared], hidden[:, 1, :shared]
    moved = (after - before).norm(dim=-1) / before.norm(dim=-1).clamp(min=1e-12)
    quiet = mode.quiet_layers(backbone.num_layers)
    # By layer: the largest movement before the change, which only later layers may have.
    before_change = moved[:, :changed].amax(dim=1)
    largest = float(before_change[: quiet + 1].max() if quiet else before_change.max())
    rounding = 8 * torch.finfo(precision).eps
    start = max(0, min(changed - PROOF_TOKENS * 3 // 4, shared - PROOF_TOKENS))
    shown = slice(start, start + PROOF_TOKENS)
    return MaskProof(
        attention=attention,
        tokens_a=_readable(backbone, a.ids[shown]),
        tokens_b=_readable(backbone, b.ids[shown]),
        start=start,
        moved=moved[:, shown].numpy(),
        first_changed=changed,
        largest_before=largest,
        rounding=rounding,
        precision=str(precision).removeprefix("torch."),
        holds=bool(before_change[: quiet + 1].max() <= rounding)
        and (quiet == backbone.num_layers or bool(before_change[quiet + 1 :].max() > rounding)),
        note=_proof_note(a, b, shared, start, precision),
    )


@torch.no_grad()
def token_view(backbone: Backbone, text: str, design: Design) -> TokenView:
    """Show a text as the backbone sees it under a design, its document prompt included.

    A trainable head is shown at the last layer. Its weights are its attention where it attends over
    tokens, and where it attends over layers those with which each layer's tokens were pooled.

    Raises:
        EmbedLabError: an empty text, or a layer the backbone does not have.
    """
    _check(text)
    backbone.check(design)
    template = design.templates(query=False)[0]
    [encoded] = backbone.encode([text], template)
    count = len(encoded.ids)
    ones = [[1] * count]
    # (L + 1, T, d)
    tokens = backbone.token_states([list(encoded.ids)], ones, design.mode)[:, 0]
    states = HiddenStates.of_text(
        tokens,
        design.mode,
        truncated=encoded.truncated,
        eps=backbone.rms_eps,
        text=encoded.text,
    )
    layer = (design.layers[1] if design.layers else design.layer) % (backbone.num_layers + 1)
    # Before the dense layers of a native design: behind them a vector has other dimensions.
    bare = replace(design, native=False)
    pooled = torch.from_numpy(pool(states, bare, backbone, template=template))[0]
    weights = _token_weights(states, design, backbone, tokens, encoded)
    here = tokens[layer].float()
    other_space = len(pooled) != here.shape[1]
    if other_space:
        pooled = states.bank(layer).rms_mean[0]
    norms, cosines = here.norm(dim=-1), torch.cosine_similarity(here, pooled[None], dim=-1)
    shown = torch.arange(count)
    notes = [f"The text was cut to {count} tokens."] if encoded.truncated else []
    if other_space:
        notes.append(
            f"{design.pooling} has other dimensions than a token's state: the cosines are with the "
            "mean of the states, each divided by its root mean square."
        )
    if len(design.templates(query=False)) > 1:
        notes.append("Shown is the first template of the ensemble.")
    if count > VIEW_TOKENS:  # what ends a text is always shown
        shown = torch.cat([shown[: VIEW_TOKENS - 1], shown[-1:]])
        notes.append(f"Shown are the first {VIEW_TOKENS - 1} of {count:,} tokens and the last.")
    ids = tuple(encoded.ids[i] for i in shown.tolist())
    return TokenView(
        design=design,
        layer=layer,
        token_count=count,
        positions=shown.numpy(),
        ids=ids,
        tokens=_readable(backbone, ids),
        cosines=cosines[shown].numpy(),
        norms=norms[shown].numpy(),
        weights=weights[shown].numpy(),
        norm_ratio=float(norms[0] / norms[1:].median().clamp(min=1e-12)) if count > 1 else 1.0,
        note=" ".join(notes),
    )


def _token_weights(
    states: HiddenStates, design: Design, backbone: Backbone, tokens: Tensor, encoded: Encoded
) -> Tensor:
    """(T,): each token's weight in the vector; 0 where a design pools the text's own alone."""
    pooling, template = POOLINGS[design.pooling], design.templates(query=False)[0]
    if encoded.text is None or not design.pools_text(template):
        return pooling.token_weights(states, design, backbone, tokens)
    place = slice(*encoded.text)
    weights = torch.zeros(len(encoded.ids))
    own = states.of_text_tokens()
    weights[place] = pooling.token_weights(own, design, backbone, tokens[:, place])
    return weights


def head_attention(head: TrainableHead, states: HiddenStates) -> HeadAttention:
    """Where a trainable head looks on n texts."""
    weights = head.mean_attention(states)  # (n, heads, s)
    return HeadAttention(
        over=head.pooling.attends_over,
        trained=head.trained,
        per_head=weights.mean(dim=0).numpy(),
        mean=weights.mean(dim=(0, 1)).numpy(),
    )


def _float32_pass(
    backbone: Backbone, rows: Sequence[tuple[int, ...]], attention: str
) -> tuple[Tensor, torch.dtype]:
    """(L + 1, n, T, d) of padded rows on the CPU in float32, and the precision of the pass."""
    wanted = _padded(backbone, rows, attention)
    [hidden] = backbone.owner.tokens([wanted])
    return hidden.float(), torch.float32 if wanted.precise else backbone.dtype


def _padded(backbone: Backbone, rows: Sequence[tuple[int, ...]], attention: str) -> TokenPass:
    padded = backbone.tokenizer.pad({"input_ids": [list(row) for row in rows]})
    small = sum(p.numel() for p in backbone.model.parameters()) <= MOST_COPIED_PARAMETERS
    return TokenPass(backbone, padded["input_ids"], padded["attention_mask"], attention, small)


def proof_pass(backbone: Backbone, text_a: str, text_b: str, attention: str) -> TokenPass:
    """The pass that a mask proof makes."""
    rows = [text.ids for text in backbone.encode([text_a, text_b])]
    return _padded(backbone, rows, attention)


def view_pass(backbone: Backbone, text: str, design: Design) -> TokenPass:
    """The pass that a token view makes."""
    [encoded] = backbone.encode([text], design.templates(query=False)[0])
    ids = list(encoded.ids)
    return TokenPass(backbone, [ids], [[1] * len(ids)], design.mode)


def _readable(backbone: Backbone, ids: Sequence[int]) -> tuple[str, ...]:
    """Tokens as text, with ␣ for a space and ↵ for a line break.

    A piece of a character that takes several tokens shows as �.
    """
    tokenizer = backbone.tokenizer
    tokens = []
    for i in ids:
        piece = tokenizer.convert_ids_to_tokens(i)
        # SentencePiece marks spaces in the piece itself, and decoding one piece would lose them.
        text = piece if "▁" in piece else tokenizer.decode([i], clean_up_tokenization_spaces=False)
        for mark, sign in (("▁", "␣"), (" ", "␣"), ("\n", "↵"), ("\t", "⇥")):
            text = text.replace(mark, sign)
        tokens.append(text or piece)
    return tuple(tokens)


def _check(*texts: str) -> None:
    if not all(text.strip() for text in texts):
        raise EmbedLabError("The text is empty; write a short sentence.")


def _proof_note(a: Encoded, b: Encoded, shared: int, start: int, precision: torch.dtype) -> str:
    notes = []
    if a.truncated or b.truncated:
        notes.append(f"A text was cut to {max(len(a.ids), len(b.ids))} tokens.")
    if len(a.ids) != len(b.ids):
        notes.append(
            f"The texts have {len(a.ids)} and {len(b.ids)} tokens; the shorter one is padded and "
            f"masked, and the first {shared} are compared."
        )
    if shared > PROOF_TOKENS:
        notes.append(f"Shown are tokens {start + 1} to {start + PROOF_TOKENS} of {shared}.")
    if precision != torch.float32:
        notes.append(f"Computed in {str(precision).removeprefix('torch.')}, with its rounding.")
    return " ".join(notes)
