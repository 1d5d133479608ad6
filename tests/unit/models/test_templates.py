"""Templates, poolings and modes against loops written by hand, on six architectures.

The loops tokenise the pieces of a template apart from each other, run one text alone and go token
by token; the tokenizer of the tiny models splits at spaces, so no token straddles a border.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from support.models import ARCHITECTURES, tiny_backbone, tiny_model, tiny_tokenizer, words

from embedlab import Backbone, Design, EmbedLabError, StateCache, embed
from embedlab.models.template import TEMPLATES

TEXTS = words(3, 9, 1, 5, 12)
AROUND = "w4 w9 {text} w30 w2"
BEFORE, AFTER = ["w4 w9"], ["w30 w2"]


@functools.cache
def backbone_of(architecture: str) -> Backbone:
    return tiny_backbone(architecture)


def ids_of(backbone: Backbone, *pieces: str) -> list[list[int]]:
    return [backbone.tokenizer(piece)["input_ids"] for piece in pieces]


def joined(pieces: list[list[int]]) -> list[int]:
    return [token for piece in pieces for token in piece]


@torch.no_grad()
def states_of(backbone: Backbone, ids: list[int], **options) -> torch.Tensor:
    """(L + 1, T, d) of one unpadded input, straight from the model."""
    output = backbone.model(
        input_ids=torch.tensor([ids], device=backbone.device),
        use_cache=False,
        output_hidden_states=True,
        **options,
    )
    return torch.stack(output.hidden_states)[:, 0].cpu()


def unit(vector: torch.Tensor) -> np.ndarray:
    return (vector / vector.norm()).numpy()


def rms(token: torch.Tensor, eps: float) -> torch.Tensor:
    return (sum(float(x) ** 2 for x in token) / len(token) + eps) ** 0.5


def loop(pooling: str, tokens: torch.Tensor, eps: float) -> torch.Tensor:
    """One layer's tokens (T, d) to (d,), token by token."""
    mean = sum(tokens) / len(tokens)
    if pooling in ("eos", "last"):
        return tokens[-1]
    if pooling == "mean_last":
        return mean / mean.norm() + tokens[-1] / tokens[-1].norm()
    if pooling == "rms_mean":
        return sum(t / rms(t, eps) for t in tokens) / len(tokens)
    if pooling == "weighted_mean":
        weights = range(1, len(tokens) + 1)
        return sum(w * t for w, t in zip(weights, tokens, strict=True)) / sum(weights)
    return mean


DESIGNS = [
    "causal/last",
    "causal/mean@2?pool=text",
    "causal/rms_mean@3",
    "causal/mean_last",
    "bidirectional/rms_mean@1..3",
    "causal/last?document=w4%20w9%20",
    f"causal/last?template={AROUND}",
    f"causal/eos?template={AROUND}",
    f"bidirectional/mean?template={AROUND}",
    f"causal/weighted_mean@1?template={AROUND}&pool=text",
    f"bidirectional/mean_last@2?template={AROUND}&pool=text",
    f"causal/last@1..4?template={AROUND}&pool=text",
]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("text", DESIGNS)
def test_templates_and_poolings_equal_the_loop(architecture, text):
    design, backbone = Design.parse(text), backbone_of(architecture)
    expected = []
    for one in TEXTS:
        own, before, after, prefix = ids_of(backbone, one, *BEFORE, *AFTER, "w4 w9")
        inside = "{text}" in design.document_prompt
        if inside:
            ids, place = before + own + after, slice(len(before), len(before) + len(own))
        else:
            start = prefix if design.document_prompt else []
            ids, place = start + own, slice(len(start), None)
            place = slice(len(start), len(start) + len(own))
        if design.pooling == "eos" or not (inside or design.pooling == "last"):
            ids = [*ids, backbone.tokenizer.eos_token_id]
        hidden = states_of(backbone, ids, is_causal=design.attention == "causal")
        pooled = hidden[:, place] if design.pool == "text" else hidden
        first, last = design.layers or (design.layer % len(hidden),) * 2
        layers = [loop(design.pooling, pooled[i], backbone.rms_eps) for i in range(first, last + 1)]
        expected.append(unit(sum(layers) / len(layers)))
    together = embed(TEXTS, design, backbone)
    np.testing.assert_allclose(together, expected, atol=1e-4)
    alone = embed(TEXTS[:1], design, Backbone(backbone.model, backbone.tokenizer, name="alone"))
    np.testing.assert_allclose(alone[0], expected[0], atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_echo_pools_the_second_copy(architecture):
    backbone, (before, between, after) = (
        backbone_of(architecture),
        TEMPLATES["echo"].text.split("{text}"),
    )
    expected = []
    for one in TEXTS:
        a, own, b, c = ids_of(backbone, before, one, between, after)
        hidden = states_of(backbone, a + own + b + own + c, is_causal=True)
        start = len(a) + len(own) + len(b)
        expected.append(unit(hidden[-1, start : start + len(own)].mean(dim=0)))
    actual = embed(TEXTS, Design.parse("causal/mean?template=echo"), backbone)
    np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_ensemble_is_the_mean_of_normalised_vectors(architecture):
    backbone = backbone_of(architecture)
    parts = []
    for template in TEMPLATES["metaeol"].texts:
        before, after = template.split("{text}")
        parts.append(
            [
                unit(states_of(backbone, joined(ids_of(backbone, before, one, after)))[-1, -1])
                for one in TEXTS
            ]
        )
    mean = sum(map(np.array, parts)) / len(parts)
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    actual = embed(TEXTS, Design.parse("causal/last?template=metaeol"), backbone)
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_queries_and_documents_may_have_different_templates(tiny):
    design = Design.parse("causal/last?query={text}%20w1&document=w2%20{text}%20w3")
    plain = Design.parse("causal/last")
    for query, text in ((True, f"{TEXTS[0]} w1"), (False, f"w2 {TEXTS[0]} w3")):
        np.testing.assert_allclose(
            embed(TEXTS[:1], design, tiny, query=query), embed([text], plain, tiny), atol=1e-5
        )


def test_braces_in_a_text_mean_nothing(tiny):
    text = "w1 {text} {0} {w2} w5"
    [encoded] = tiny.encode([text], AROUND)
    assert list(encoded.ids) == joined(ids_of(tiny, *BEFORE, text, *AFTER))


def test_truncation_cuts_the_text_and_nothing_around_it(tiny):
    long = words(200)[0]
    own, before, after = ids_of(tiny, long, *BEFORE, *AFTER)
    [cut] = tiny.encode([long], AROUND)
    room = tiny.max_length - len(before) - len(after)
    assert cut.truncated and len(cut.ids) == tiny.max_length
    assert list(cut.ids) == before + own[:room] + after
    assert cut.text == (len(before), len(before) + room)
    design = Design.parse("causal/eos?template=echo")
    [echoed] = tiny.encode([long], design.templates(query=False)[0])
    assert echoed.truncated and echoed.ids[-1] == tiny.tokenizer.eos_token_id
    first, second = ids_of(tiny, *TEMPLATES["echo"].text.split("{text}")[:2])
    copy = echoed.text[1] - echoed.text[0]
    assert list(echoed.ids[:-1]) == first + own[:copy] + second + own[:copy]
    assert tiny.max_length - 2 <= len(echoed.ids) <= tiny.max_length


def straddling() -> Backbone:
    """A backbone whose tokens are pairs of characters, whatever they are."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(WordLevel({"<unk>": 0, "</s>": 1}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split(Regex(".{1,2}"), "isolated")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )
    return Backbone(tiny_model("llama"), fast, name="pairs", max_length=12)


def test_a_token_that_straddles_the_border_is_the_texts_if_only_spaces_are_not():
    backbone = straddling()
    # ("ab", "c1", "23", "4d", "e"): the second and the fourth hold letters of the template.
    [encoded] = backbone.encode(["1234"], "abc{text}de")
    assert len(encoded.ids) == 5 and encoded.text == (2, 3)
    # ("ab", " 1", "23", "4 ", "e"): here they hold its spaces.
    [encoded] = backbone.encode(["1234"], "ab {text} e")
    assert len(encoded.ids) == 5 and encoded.text == (1, 4)
    # ("ab", "c1", "d"): there is no other token of the text.
    [encoded] = backbone.encode(["1"], "abc{text}d")
    assert encoded.text == (1, 2)
    [cut] = backbone.encode(["1" * 50], "abc{text}de")
    assert len(cut.ids) <= 12 and cut.truncated and cut.text[0] == 2


@pytest.mark.parametrize(
    ("texts", "prompt", "message"),
    [
        (["w1"], "w1 " * 70 + "{text}", "cut to nothing"),
        (["w1"], "w1 " * 70, "leaves no room"),
        (["w1"], "w1 " * 63, "leaves no room"),
        (["w5", " "], "w1 {text}", "Text 2 is empty"),
    ],
)
def test_templates_that_leave_no_room_are_refused(tiny, texts, prompt, message):
    with pytest.raises(EmbedLabError, match=message):
        tiny.states(texts, prompt=prompt)


def test_slow_tokenizers_take_prefixes_only(tiny):
    class Slow:
        is_fast = False

        def __call__(self, *args, **options):
            return tiny_tokenizer()(*args, **options)

        def __getattr__(self, name):
            return getattr(tiny_tokenizer(), name)

        def __setattr__(self, name, value):
            pass

    backbone = Backbone(tiny.model, Slow(), name="slow")
    with pytest.raises(EmbedLabError, match="prefix prompt without"):
        backbone.encode(["w1"], "w1 {text}")


# Modes


@torch.no_grad()
def by_hand(
    architecture: str, ids: list[int], design: Design, pad: tuple[int, int]
) -> torch.Tensor:
    """(L + 1, T, d) of one input, its attention written out in a hook on each attention module.

    ``pad`` are pad tokens on the left and on the right. The hook replaces softmax attention by a
    loop over heads and queries, on what the module itself projects and rotates.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    backbone = backbone_of(architecture)
    model, length, layers = backbone.model, len(ids), backbone.num_layers
    rerouted = design.attention == "rerouted"
    above = int(design.attention.partition(">")[2] or 0)
    band = design.band or (max(1, layers // 3), max(1, 2 * layers // 3 - 1))

    def attention(module, query, key, value, attention_mask, scaling=None, **_):
        layer = module.layer_idx + 1
        group = query.shape[1] // key.shape[1]
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        out = torch.zeros_like(query)
        start, stop = pad[0], pad[0] + length
        for head in range(query.shape[1]):
            k, v = key[0, head // group], value[0, head // group]
            for t in range(start, stop):
                causal = rerouted or layer <= above
                seen = list(range(start, t + 1 if causal else stop))
                scores = [scale * float(query[0, head, t] @ k[s]) for s in seen]
                if rerouted and band[0] <= layer <= band[1]:
                    seen = [stop - 1, *seen]
                    scores = [scale * float(query[0, head, t] @ k[stop - 1]) + design.bias, *scores]
                weights = torch.softmax(torch.tensor(scores, device=out.device), dim=0)
                out[0, head, t] = sum(w * v[s] for w, s in zip(weights, seen, strict=True))
        return out.transpose(1, 2), None

    AttentionInterface.register("by_hand", attention)
    AttentionMaskInterface.register("by_hand", sdpa_mask)
    before, model.config._attn_implementation = model.config._attn_implementation, "by_hand"
    try:
        row = [0] * pad[0] + ids + [0] * pad[1]
        real = [0] * pad[0] + [1] * length + [0] * pad[1]
        tokens, mask = (torch.tensor([v], device=backbone.device) for v in (row, real))
        hidden = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
            output_hidden_states=True,
        ).hidden_states
    finally:
        model.config._attn_implementation = before
    return torch.stack(hidden)[:, 0, pad[0] : pad[0] + length].cpu()


MODES = [
    "rerouted/mean",
    "rerouted/mean?band=2..4&bias=0.7",
    "rerouted/mean?band=1..1",
    "bidirectional>2/mean",
]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("text", MODES)
def test_modes_equal_the_loop(architecture, text):
    design, backbone = Design.parse(text), backbone_of(architecture)
    eos = backbone.tokenizer.eos_token_id
    ids = [[*ids_of(backbone, one)[0], eos] for one in TEXTS[:3]]
    expected = [by_hand(architecture, row, design, (0, 0)) for row in ids]
    left = by_hand(architecture, ids[0], design, (2, 1))
    torch.testing.assert_close(left, expected[0], atol=1e-4, rtol=1e-4)
    for side in ("left", "right"):
        width = max(map(len, ids))
        spaces = [[0] * (width - len(row)) for row in ids]
        rows, mask = [], []
        for row, space in zip(ids, spaces, strict=True):
            parts = (space, row) if side == "left" else (row, space)
            ones = (space, [1] * len(row)) if side == "left" else ([1] * len(row), space)
            rows.append([*parts[0], *parts[1]])
            mask.append([*ones[0], *ones[1]])
        batch = backbone.token_states(rows, mask, design.mode)
        for i, row in enumerate(ids):
            place = slice(width - len(row), None) if side == "left" else slice(0, len(row))
            torch.testing.assert_close(batch[:, i, place], expected[i], atol=1e-4, rtol=1e-4)
    vectors = embed(TEXTS[:3], design, backbone)
    np.testing.assert_allclose(
        vectors, [unit(hidden[-1].mean(dim=0)) for hidden in expected], atol=1e-4
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_before_the_band_nothing_moves_and_from_it_on_everything_may(architecture):
    backbone = backbone_of(architecture)
    for mode, quiet in (("rerouted[3..4]", 2), ("bidirectional>3", 3), ("rerouted", 0)):
        a, b = [5, 9, 3, 7], [5, 9, 3, 8]
        ones = [[1] * 4] * 2
        hidden = backbone.token_states([a, b], ones, mode)[:, :, :3]
        moved = (hidden[:, 1] - hidden[:, 0]).abs().amax(dim=-1)
        assert moved[: quiet + 1].max() == 0, mode
        assert moved[quiet + 1 :].min() > 0, mode


def test_all_of_a_band_is_within_the_layers(tiny):
    for text in ("rerouted/mean?band=3..9", "bidirectional>9/mean", "causal/mean@2..9"):
        with pytest.raises(EmbedLabError, match="4"):
            embed(TEXTS, Design.parse(text), tiny)


# Values


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_value_mean_equals_a_hook_on_the_value_projection(architecture):
    backbone, design = backbone_of(architecture), Design.parse("causal/value_mean@1..4")
    if architecture == "gpt2":
        with pytest.raises(EmbedLabError, match="value_mean does not work with tiny-gpt2"):
            embed(TEXTS, design, backbone)
        return
    expected = []
    for one in TEXTS:
        seen, hooks = {}, []
        for i, layer in enumerate(backbone.model.layers):
            hooks.append(
                layer.self_attn.v_proj.register_forward_hook(
                    lambda _, __, out, i=i, seen=seen: seen.__setitem__(i, out[0].mean(dim=0).cpu())
                )
            )
        states_of(
            backbone,
            [*ids_of(backbone, one)[0], backbone.tokenizer.eos_token_id],
            is_causal=True,
        )
        for hook in hooks:
            hook.remove()
        expected.append(unit(torch.cat([seen[i] for i in (1, 2, 3)])))
    np.testing.assert_allclose(embed(TEXTS, design, backbone), expected, atol=1e-4)
    for one, other in (("value_mean", "value_mean@0..4"), ("value_mean@2", "value_mean@2..3")):
        a, b = (embed(TEXTS, Design.parse(f"causal/{name}"), backbone) for name in (one, other))
        np.testing.assert_array_equal(a, b)
    with pytest.raises(EmbedLabError, match="Behind layer 4"):
        embed(TEXTS, Design.parse("causal/value_mean@4"), backbone)


def test_value_mean_is_refused_where_values_are_normalised(tiny):
    model = tiny_model("llama")
    model.layers[0].self_attn.v_norm = torch.nn.RMSNorm(8)
    backbone = Backbone(model, tiny_tokenizer(), name="normalised", cache=StateCache(0))
    with pytest.raises(EmbedLabError, match="value_mean does not work with normalised"):
        embed(TEXTS, Design.parse("causal/value_mean@0..2"), backbone)


# What a pass keeps


def test_one_pass_serves_every_head_of_a_template(tiny):
    passes = []
    before = tiny.model.forward

    def counted(*args, **options):
        passes.append(1)
        return before(*args, **options)

    tiny.model.forward = counted
    for text in ("last", "mean", "rms_mean@2", "mean_last", "value_mean@1..3", "last+centre"):
        embed(TEXTS, Design.parse(f"causal/{text}?template={AROUND}"), tiny)
    embed(TEXTS, Design.parse(f"causal/mean?template={AROUND}&pool=text"), tiny)
    assert len(passes) == 1


def test_the_bank_has_grown_by_a_quarter(tiny):
    [row] = tiny.states(TEXTS[:1], "causal").rows
    before = 4 * (tiny.num_layers + 1) * tiny.hidden_size * 4
    assert before < row.nbytes <= 1.3 * before


def test_states_come_back_from_the_disk_as_they_were(tiny, tmp_path):
    cache = StateCache(10**7, tmp_path)
    backbone = Backbone(tiny.model, tiny.tokenizer, name="disk", key="disk", cache=cache)
    design = Design.parse(f"causal/rms_mean?template={AROUND}&pool=text")
    first = embed(TEXTS, design, backbone, persist=True)
    other = StateCache(10**7, tmp_path)
    again = Backbone(tiny.model, tiny.tokenizer, name="disk", key="disk", cache=other)
    np.testing.assert_array_equal(embed(TEXTS, design, again), first)
    assert other.hits == len(TEXTS)
