"""What stands around a text: ends that tokenizers add themselves, and padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.models import character_tokenizer, model_folder, tiny_model

from embedlab import Backbone, Design, EmbedLabError, embed, load_backbone
from embedlab.models.state_cache import StateCache

IDS = {"<pad>": 0, "<eos>": 1, "<unk>": 2, "<bos>": 3, "<end>": 4}
TEXTS = ["a bank", "b", "She sat on the bank of the river. " * 4]


def backbone_with(tokenizer, max_length: int = 64) -> Backbone:
    return Backbone(
        tiny_model("qwen3", vocabulary=128), tokenizer, name="tiny", max_length=max_length
    )


def last_token_recipe(backbone, frame, max_length):
    """What model cards have: the tokenizer's own call, the model, its last token, normalised."""
    tokenizer = character_tokenizer(frame)
    rows = []
    for text in TEXTS:
        ids = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
        ids = ids.to(backbone.device)
        with torch.no_grad():
            hidden = backbone.model(**ids, is_causal=True, use_cache=False).last_hidden_state
        rows.append(torch.nn.functional.normalize(hidden[0, -1].cpu(), dim=0).numpy())
    return np.stack(rows)


@pytest.mark.parametrize(
    ("frame", "end", "before"),
    [
        ("$A <end>", (4,), ()),
        ("$A <eos>", (1,), ()),
        ("<bos> $A <eos>", (1,), (3,)),
        ("<bos> $A <end>", (4,), (3,)),
        ("<bos> $A <end> <eos>", (4, 1), (3,)),
    ],
)
def test_a_tokenizer_that_ends_texts_itself_gives_the_model_cards_vectors(frame, end, before):
    backbone = backbone_with(character_tokenizer(frame))
    assert (backbone.framing.end, backbone.framing.before) == (end, before)
    encoded = backbone.encode(TEXTS)
    assert all(e.ids[-len(end) :] == end for e in encoded)
    assert encoded[2].truncated and len(encoded[2].ids) == 64
    np.testing.assert_allclose(
        embed(TEXTS, Design.parse("causal/eos"), backbone),
        last_token_recipe(backbone, frame, 64),
        atol=1e-5,
    )


@pytest.mark.parametrize("frame", ["$A", "<bos> $A"])
def test_eos_is_appended_where_a_tokenizer_ends_texts_with_nothing(frame):
    backbone = backbone_with(character_tokenizer(frame))
    assert backbone.end_token == "<eos>" and not backbone.framing.added
    ended, plain = (backbone.encode(["ab"], ended=ended)[0].ids for ended in (True, False))
    assert ended == (*plain, 1)


def test_states_with_and_without_an_end_do_not_share_the_cache():
    backbone = backbone_with(character_tokenizer("$A"))
    backbone.cache = StateCache(10**7)
    counts = [int(backbone.states(["ab"], ended=e).token_counts) for e in (True, False, True)]
    assert counts == [3, 2, 3]


def test_no_eos_is_no_matter_where_the_tokenizer_ends_texts():
    assert backbone_with(character_tokenizer("$A <end>", eos=None)).end_token == "<end>"
    with pytest.raises(EmbedLabError, match=r"tiny \(qwen3\).*no EOS token"):
        backbone_with(character_tokenizer("$A", eos=None))


@pytest.mark.parametrize("more", [0, 30])
def test_a_pad_token_outside_the_embedding_gives_way_to_eos(more, tmp_path):
    tokenizer = character_tokenizer(pad=None)
    tokenizer.add_tokens([f"<x{i}>" for i in range(128 - len(tokenizer) + more)])
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    folder = model_folder(tmp_path / "tiny", tiny_model("qwen3", vocabulary=128), tokenizer)
    backbone = load_backbone(folder, device="cpu", dtype="float32")
    assert (backbone.tokenizer.pad_token, backbone.tokenizer.padding_side) == ("<eos>", "right")
    assert backbone.padding_note == f"'[PAD]' (id {128 + more}) is outside the embedding"
    alone = np.concatenate([embed([text], Design.parse("M5"), backbone) for text in TEXTS])
    backbone.cache = StateCache(0)
    np.testing.assert_allclose(embed(TEXTS, Design.parse("M5"), backbone), alone, atol=1e-5)
    if more:
        with pytest.raises(EmbedLabError, match=r"Text 2 holds '<x29>'"):
            backbone.states(["fine", "a <x29> b"])


def test_a_pad_token_inside_the_embedding_stays():
    backbone = backbone_with(character_tokenizer())
    assert (backbone.tokenizer.pad_token, backbone.padding_note) == ("<pad>", "")


def test_an_end_token_outside_the_embedding_is_refused():
    tokenizer = character_tokenizer()
    tokenizer.add_tokens([f"<x{i}>" for i in range(128 - len(tokenizer))])
    tokenizer.add_special_tokens({"eos_token": "<late>"})
    with pytest.raises(EmbedLabError, match=r"'<late>' \(id 128\).*128 rows"):
        backbone_with(tokenizer)
