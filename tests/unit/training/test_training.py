"""Training on tiny random models: what must be exact is exact."""

from __future__ import annotations

import dataclasses
import json
import math
import threading

import pytest
import torch
from peft import LoraConfig, get_peft_model
from support.models import tiny_backbone, words
from support.pairs import TEXTS, pair_set, recipe
from support.runs import run_info
from support.waiting import until
from torch.nn import functional as F

from embedlab import Design, embed
from embedlab.data.pairs import PairSet
from embedlab.errors import EmbedLabError
from embedlab.models.adapter import (
    LORA_TARGETS,
    adapter_digest,
    adapter_weights,
    load_adapter,
    save_adapter,
    twin,
    with_adapter,
)
from embedlab.models.run_folder import RUN_FILE, load_run, read_run_info
from embedlab.training.checkpoints import CHECKPOINT, resume, save_checkpoint, save_run
from embedlab.training.lora import add_lora
from embedlab.training.passes import Packer
from embedlab.training.recipe import recipe_from
from embedlab.training.training import Training


def trained(design: str, backbone=None, pairs=None, **changes) -> Training:
    training = Training(
        backbone or tied(), Design.parse(design), pairs or pair_set(), recipe(**changes)
    )
    list(training.run())
    return training


def tied():
    """MNTP predicts with the embedding, where it is also the language-model head."""
    backbone = tiny_backbone()
    backbone.model.config.tie_word_embeddings = True
    return backbone


def weights(training: Training) -> list[torch.Tensor]:
    return [p.detach().clone() for p in training.optimiser.parameters]


def assert_close(one, other, atol: float) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, atol=atol, rtol=atol)


DESIGNS = [
    *("causal/eos", "bidirectional/mean", "M2", "M3", "M4", "M5", "causal/weighted_mean@2"),
    "bidirectional/latent_attention",
]


@pytest.mark.parametrize("design", DESIGNS)
def test_lora_changes_the_vectors_and_not_the_untrained_backbone(design):
    backbone, parsed = tiny_backbone(), Design.parse(design)
    before = embed(TEXTS, parsed, backbone)
    result = trained(design, backbone).result()
    assert abs(embed(TEXTS, parsed, result) - before).max() > 1e-4
    backbone.cache = type(backbone.cache)(10**8)
    assert (embed(TEXTS, parsed, backbone) == before).all()


def test_the_loss_of_a_step_and_its_gradient_are_those_of_a_plain_computation():
    """One step without dropout against a single graph over the whole padded batch."""
    backbone, design = tiny_backbone(), Design.parse("bidirectional/mean")
    pairs = pair_set(6)
    options = {"steps": 1, "batch": 4, "held_out": 0, "lora_dropout": 0.0, "clip": 0}
    training = Training(backbone, design, pairs, recipe(**options))
    seen: list[torch.Tensor] = []
    optimiser = training.optimiser
    optimiser.adamw.step = lambda: seen.extend(p.grad.clone() for p in optimiser.parameters)
    optimiser.adamw.zero_grad = lambda **_: None
    (_, step) = list(training.run())

    other = Training(tiny_backbone(), design, pairs, recipe(**options))
    chosen = other.batch(0)
    sides = []
    for part in (pairs.anchors, pairs.positives):
        batch = other.untrained.tokenizer(
            [f"{part[i]} </s>" for i in chosen], padding=True, return_tensors="pt"
        )
        batch = batch.to(other.untrained.device)
        hidden = other.adapter.base_model.model(
            **{k: v for k, v in batch.items() if k != "token_type_ids"}, is_causal=False
        ).last_hidden_state
        mask = batch["attention_mask"][..., None].float()
        sides.append(F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1))
    loss = F.cross_entropy(20 * sides[0] @ sides[1].T, torch.arange(4, device=hidden.device))
    loss.backward()
    assert step.loss == pytest.approx(float(loss.detach()), abs=1e-5)
    assert_close(seen, [p.grad for p in other.optimiser.parameters], 1e-5)


@pytest.mark.parametrize("negatives", [False, True])
@pytest.mark.parametrize("design", ["causal/eos", "M5"])
def test_cached_gradients_train_like_plain_ones(design, negatives):
    """The same dropout too: a micro-batch that is run twice draws the same."""
    pairs = pair_set(negatives=negatives)
    plain = trained(design, pairs=pairs, keep_tokens=10**6)
    cached = trained(design, pairs=pairs, keep_tokens=0)
    assert_close(weights(cached), weights(plain), 1e-5)


def test_the_size_of_the_micro_batches_changes_nothing_but_dropout():
    one = trained("causal/eos", micro_tokens=10**4, lora_dropout=0.0)
    many = trained("causal/eos", micro_tokens=8, lora_dropout=0.0)
    assert_close(weights(many), weights(one), 1e-4)


@pytest.mark.parametrize("mode", ["lora", "head"])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(mode):
    torch.manual_seed(123)
    one = weights(trained("M5", mode=mode))
    torch.manual_seed(456)
    two = weights(trained("M5", mode=mode))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    other = weights(trained("M5", mode=mode, seed=1))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("design", "changes"), [("M5", {}), ("M4", {"mntp_steps": 3})])
def test_resuming_is_exact(tmp_path, design, changes):
    straight = trained(design, steps=6, **changes)
    first = Training(tied(), Design.parse(design), pair_set(), recipe(steps=6, **changes))
    for step in first.run():
        if step.number == 4:
            break
    save_checkpoint(first, tmp_path)
    second = Training(tied(), Design.parse(design), pair_set(), recipe(steps=6, **changes))
    # Two loads of one backbone have one key; two tiny random ones do not.
    second.untrained.key = first.untrained.key
    assert resume(second, tmp_path)
    assert [s.number for s in second.history] == [0, 1, 2, 3, 4]
    list(second.run())
    assert all(torch.equal(a, b) for a, b in zip(weights(straight), weights(second), strict=True))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    first = trained("causal/eos")
    save_checkpoint(first, tmp_path)
    other = Training(first.untrained, first.design, pair_set(), recipe(lr=2e-2))
    with pytest.raises(EmbedLabError, match="recipe"):
        resume(other, tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"half a")
    with pytest.raises(EmbedLabError, match="damaged"):
        resume(other, tmp_path)


@pytest.mark.parametrize(
    ("design", "mode"),
    [
        ("causal/eos", "lora"),
        ("M3", "lora"),
        ("M3", "head"),
    ],
)
def test_saving_and_loading_is_exact(tmp_path, design, mode):
    parsed = Design.parse(design)
    backbone = tiny_backbone()
    training = trained(design, backbone, mode=mode)
    saved = save_run(training, tmp_path / "run", "tiny").model_dump(mode="json")
    assert saved == json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    loaded = load_run(tmp_path / "run", backbone)
    assert (embed(TEXTS, parsed, loaded) == embed(TEXTS, parsed, training.result())).all()
    with pytest.raises(EmbedLabError, match="finished"):
        save_run(training, tmp_path / "run", "tiny")


def test_lora_on_some_layers_loads_as_such(tmp_path):
    """As in runs of earlier versions, whose config names the layers in a pattern."""
    backbone, maps = tiny_backbone(), "|".join(LORA_TARGETS)
    config = LoraConfig(r=2, target_modules=rf"(.*\.)?layers\.(2|3)\..*\.({maps})")
    adapter = get_peft_model(twin(backbone.model), config)
    for weights in adapter_weights(adapter).values():
        weights.data.fill_(0.1)
    save_adapter(adapter, tmp_path / "adapter", "tiny")
    loaded = load_adapter(backbone, tmp_path / "adapter")
    assert adapter_digest(loaded) == adapter_digest(adapter)
    assert len(adapter_weights(loaded)) == 2 * 2 * len(LORA_TARGETS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "format is 2"),
        ({"more": 1}, "unknown key 'more'"),
        ({"name": "half a \ud83d"}, "no run of EmbedLab"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"steps": 10**19}, "steps is 10000000000000000000"),
        ({"head": {"latents": 0}}, "not a head size"),
        ({"design": "causal/nose"}, "'nose' is not a known pooling"),
        ({"before_after": [{"task": "STS"}]}, r"before_after\[0\]: 'measure' is missing"),
    ],
)
def test_a_damaged_run_file_is_refused_with_a_reason(tmp_path, change, reason):
    values = run_info(tiny_backbone(), Design.parse("causal/eos")).model_dump(mode="json")
    (tmp_path / RUN_FILE).write_text(json.dumps(values))
    assert read_run_info(tmp_path).steps == 40
    (tmp_path / RUN_FILE).write_text(json.dumps(values | change))
    with pytest.raises(EmbedLabError, match=reason):
        read_run_info(tmp_path)


def test_a_run_file_of_an_earlier_version_is_read(tmp_path):
    values = run_info(tiny_backbone(), Design.parse("M3")).model_dump(mode="json")
    values |= {"mode": "top_layers", "recipe": {"mode": "top_layers", "top_layers": 6}}
    for key in ("before_after", "failed", "seconds"):
        del values[key]
    (tmp_path / RUN_FILE).write_text(json.dumps(values))
    assert read_run_info(tmp_path).recipe["top_layers"] == 6


def test_a_run_for_another_backbone_is_refused(tmp_path):
    from transformers import AutoConfig, AutoModel

    from embedlab import Backbone

    save_run(trained("M3"), tmp_path / "run", "tiny")
    config = AutoConfig.for_model(
        "llama", vocab_size=120, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2,
    )  # fmt: skip
    small = Backbone(
        AutoModel.from_config(config), tiny_backbone().tokenizer, name="small", max_length=64
    )
    with pytest.raises(EmbedLabError, match="another backbone"):
        load_run(tmp_path / "run", small)


def test_a_head_alone_shares_the_hidden_states_and_not_the_vectors():
    backbone, design = tiny_backbone(), Design.parse("M3")
    result = trained("M3", backbone, mode="head").result()
    assert result.key == backbone.key
    assert result.version(design) != backbone.version(design)
    assert result.head(design).trained
    assert not backbone.head(design).trained


def test_m2_changes_its_query_and_key_weights_by_weight_decay_alone():
    training = Training(
        tiny_backbone(), Design.parse("M2"), pair_set(), recipe(mode="head", weight_decay=0.0)
    )
    before = training.head.query.weight.detach().clone()
    list(training.run())
    assert torch.equal(training.head.query.weight, before)
    assert not torch.equal(
        training.head.value.weight, Training(
            tiny_backbone(), Design.parse("M2"), pair_set(), recipe(mode="head")
        ).head.value.weight
    )  # fmt: skip


#: Several answers of a query, duplicates both ways, a positive among the hard negatives, a text
#: twice, and an answer that two queries share.
KNOWN = [
    ("w1", "w2", ("w50",)),
    ("w1", "w3", ("w50", "w51")),
    ("w4", "w5", ("w51", "w2")),
    ("w5", "w4", ()),
    ("w6", "w7", ("w5", "w7", "w52")),
    ("w8", "w9", ()),
    ("w10", "W9", ("w2",)),
    ("w10", "w11", ("w3",)),
]


def known_pairs(copies: int = 1) -> PairSet:
    """The pairs above, each copy with words of its own."""
    rows = [
        tuple(
            text + f" w{60 + copy}"
            if isinstance(text, str)
            else tuple(f"{t} w{60 + copy}" for t in text)
            for text in row
        )
        for copy in range(copies)
        for row in KNOWN
    ]
    anchors, positives, negatives = zip(*rows, strict=True)
    return PairSet(id="k", title="K", anchors=anchors, positives=positives, negatives=negatives)


def make_perfect(training: Training, pairs: PairSet) -> None:
    """Let the pooler give texts that pairs connect one vector, and all others theirs."""
    axis: dict[str, int] = {}
    for number, group in enumerate(pairs.groups):
        axis |= {
            text.casefold(): number
            for i in group
            for text in (pairs.anchors[i], pairs.positives[i])
        }

    def pooled(texts, encoded, seed):
        rows = [axis.setdefault(text.casefold(), len(axis) + 10**3) for text, _ in texts]
        places = {row: place for place, row in enumerate(dict.fromkeys(axis.values()))}
        vectors = F.one_hot(torch.tensor([places[row] for row in rows]), 32).float()
        zero = 0 * sum(p.sum() for p in training.optimiser.parameters)
        return vectors.to(zero.device) + zero

    training.pooler.pooled = pooled


@pytest.mark.parametrize("keep_tokens", [0, 10**6])
@pytest.mark.parametrize("both_directions", [False, True])
@pytest.mark.parametrize("max_negatives", [0, 1])
def test_a_perfect_model_has_no_loss_and_finds_everything(
    both_directions, keep_tokens, max_negatives
):
    pairs = known_pairs(copies=3)
    options = {
        "both_directions": both_directions,
        "keep_tokens": keep_tokens,
        "max_negatives": max_negatives,
        "batch": 8,
        "held_out": 4,
        "lr": 0.0,
    }
    training = Training(tiny_backbone(), Design.parse("causal/eos"), pairs, recipe(**options))
    assert 2 <= len(training.held_out_pairs) <= 4
    make_perfect(training, pairs)
    history = list(training.run())
    assert max(step.loss for step in history[1:]) < 1e-3
    assert {step.held_out for step in history} == {1.0, None}


def test_a_known_positive_is_the_only_candidate_that_the_loss_leaves_out():
    """In a batch of all pairs, against an explicit softmax over the texts that are left."""
    pairs = known_pairs()
    training = Training(
        tiny_backbone(), Design.parse("causal/mean"), pairs, recipe(held_out=0, batch=8, steps=1)
    )
    step = list(training.run())[1]
    texts = [*pairs.anchors, *pairs.positives, *pairs.every_negative]
    vector = dict(zip(texts, embed(texts, training.design, training.untrained), strict=True))
    right = [{0, 1}, {0, 1}, {2, 3}, {2, 3}, {4}, {5, 6, 7}, {5, 6, 7}, {5, 6, 7}]
    # w4 and w5 are a pair either way; w9 answers w8 and w10, whose other answer is w11.
    together = [{"w1", "w2", "w3"}, {"w4", "w5"}, {"w6", "w7"}, {"w8", "w9", "w10", "w11"}]
    bare = lambda text: text.split()[0].casefold()  # noqa: E731
    losses = []
    for i, anchor in enumerate(pairs.anchors):
        (own,) = [group for group in together if bare(anchor) in group]
        candidates = [pairs.positives[j] for j in range(8) if j == i or j not in right[i]]
        hard = set(pairs.every_negative) - set(pairs.positives)
        candidates += [text for text in hard if bare(text) not in own]
        scores = {text: 20 * float(vector[anchor] @ vector[text]) for text in candidates}
        total = sum(math.exp(scores[text]) for text in candidates)
        losses.append(-math.log(math.exp(scores[pairs.positives[i]]) / total))
    assert step.loss == pytest.approx(sum(losses) / 8, abs=1e-5)


def test_of_many_hard_negatives_each_step_draws_some():
    base = pair_set(6)
    many = tuple(tuple(f"w{n} w{i}" for n in range(20, 26)) for i in range(6))
    pairs = dataclasses.replace(base, negatives=many)
    training = Training(
        tiny_backbone(),
        Design.parse("causal/eos"),
        pairs,
        recipe(max_negatives=2, held_out=0, batch=6),
    )
    drawn = [training.batch_pairs(step).negatives for step in range(20)]
    assert {len(texts) for step in drawn for texts in step} == {2}
    assert len({text for step in drawn for texts in step for text in texts}) == 36
    again = Training(training.untrained, training.design, pairs, training.recipe)
    assert [again.batch_pairs(step).negatives for step in range(20)] == drawn
    off = recipe(hard_negatives=False, held_out=0)
    without = Training(training.untrained, training.design, pairs, off)
    assert not without.batch_pairs(0).negatives


def test_a_loss_that_is_not_finite_ends_the_training_with_the_last_finite_weights():
    training = trained("causal/eos")
    with torch.no_grad():
        training.optimiser.parameters[0].fill_(float("nan"))
    expected = [p.clone() for p in training.optimiser.last_finite]
    training.steps_done -= 1
    list(training.run())
    assert "lower learning rate" in training.failed
    assert_close(weights(training), expected, 0)


def test_an_mntp_loss_is_that_of_predicting_masked_tokens_from_the_token_before():
    from embedlab.training import mntp

    backbone = tied()
    adapter = add_lora(backbone, recipe(lora_dropout=0.0))
    live = with_adapter(backbone, adapter, "live")
    encoded = live.encode(["w1 w2 w3 w4 w5", "w7 w8 w9"])
    loss = mntp.backward(Packer(live, "bidirectional"), encoded, [[0], [1]], 5)

    chosen = mntp.masked([6, 4], 5)
    assert all(1 <= t < length for row, length in zip(chosen, (6, 4), strict=True) for t in row)
    assert all(chosen)
    total, n = 0.0, 0
    for row, encoded_text in enumerate(encoded):
        ids = torch.tensor(encoded_text.ids, device=backbone.device)
        inputs = ids.clone()
        inputs[chosen[row]] = mntp.blank_id(live)
        states = live.model(inputs[None], is_causal=False).last_hidden_state[0]
        logits = states @ live.model.get_input_embeddings().weight.T
        for t in chosen[row]:
            total += float(F.cross_entropy(logits[t - 1][None], ids[t][None]).detach())
            n += 1
    assert loss == pytest.approx(total / n, abs=1e-5)


@pytest.mark.parametrize(
    ("design", "changes", "message"),
    [
        ("causal/eos", {"mode": "head"}, "no trainable head"),
        ("causal/eos", {"mntp_steps": 5}, "causal"),
        ("M5", {"mntp_steps": 5, "mode": "head"}, "leaves"),
        ("causal/eos", {"mode": "top_layers"}, "'top_layers'; use 'lora' or 'head'"),
        ("causal/eos", {"top_layers": 6}, "unknown key 'top_layers'"),
        ("causal/eos", {"steps": 0}, "steps is 0"),
        ("causal/eos", {"steps": 10**9}, "steps"),
        ("causal/eos", {"lr": float("nan")}, "must be a number"),
        ("causal/eos", {"mode": "everything"}, "use 'lora' or 'head'"),
    ],
)
def test_what_cannot_be_trained_is_refused(design, changes, message):
    with pytest.raises(EmbedLabError, match=message):
        Training(tiny_backbone(), Design.parse(design), pair_set(), recipe(**changes))


def test_stopping_in_the_first_step_leaves_the_backbone_as_it_was():
    backbone, design = tiny_backbone(), Design.parse("causal/eos")
    training = Training(backbone, design, pair_set(), recipe())
    for step in training.run():
        assert step.number == 0
        break
    assert (embed(TEXTS, design, training.result()) == embed(TEXTS, design, backbone)).all()


@pytest.mark.parametrize(
    "change",
    [
        {"target_modules": "(a+)+$"},
        {"target_modules": ["embed_tokens"]},
        {"r": "many"},
        {"r": None},
    ],
)
def test_a_hostile_adapter_config_is_refused(tmp_path, change):
    backbone = tiny_backbone()
    save_run(trained("M3", backbone), tmp_path / "run", "tiny")
    path = tmp_path / "run" / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change), encoding="utf-8")
    with pytest.raises(EmbedLabError, match="another backbone"):
        load_run(tmp_path / "run", backbone)


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize(
    "architecture", ["llama", "qwen2", "qwen3", "mistral", "gemma3_text", "gpt2"]
)
def test_packed_texts_have_the_states_of_single_ones(architecture, attention):
    backbone = tiny_backbone(architecture)
    packer = Packer(backbone, attention)
    assert packer.packs
    batch = backbone.encode(["w1 w2 w3 w4 w5", "w9", "w7 w8 w6"])
    layout = packer.layout(batch)
    assert layout.ids.shape == (1, sum(len(e.ids) for e in batch))
    row_states = packer.states(layout)
    for row, encoded in enumerate(batch):
        alone = backbone.model(
            torch.tensor([encoded.ids], device=backbone.device),
            is_causal=attention == "causal",
            output_hidden_states=True,
            use_cache=False,
        ).hidden_states
        for one, other in zip(alone, row_states, strict=True):
            together = layout.unpack(other)[row][layout.real[row]]
            torch.testing.assert_close(together, one[0], atol=1e-4, rtol=1e-4)


def test_whether_texts_can_be_packed_is_tested_without_dropout():
    backbone = tiny_backbone()
    adapter = add_lora(backbone, recipe_from("cpu", lora_dropout=0.5))
    for weights in adapter_weights(adapter).values():
        weights.data.fill_(0.1)
    adapter.train()
    assert Packer(with_adapter(backbone, adapter, "trained"), "causal").packs
    assert adapter.training and all(module.training for module in adapter.modules())


def test_texts_are_padded_where_attention_cannot_split_a_row():
    backbone = tiny_backbone()
    attention = backbone.model.layers[1].self_attn
    whole = attention.forward
    attention.forward = lambda *args, apart=None, **kwargs: whole(*args, **kwargs)
    packer = Packer(backbone, "causal")
    assert not packer.packs
    assert packer.layout(backbone.encode(["w1 w2", "w3"])).ids.shape == (2, 3)
    assert backbone.config._attn_implementation == "sdpa"


class Asker:
    """Somebody who asks for a text in the middle of a training's pass."""

    def __init__(self, backbone) -> None:
        self.backbone, self.answers = backbone, []
        self.thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        self.answers.append(self.backbone.states(["w5 w6 w7"], "bidirectional").rows[0].bank)

    def wait_in_the_queue(self) -> None:
        self.thread.start()
        until(lambda: len(self.backbone.owner) > 1)


def one_item(backbone, work):
    """Run a function as a training's step."""

    def steps():
        yield work()

    (result,) = backbone.owner.advance(steps())
    return result


def test_a_forward_pass_lets_waiting_requests_go_first_and_neither_changes_the_other():
    backbone = tiny_backbone()
    adapter = add_lora(backbone, recipe_from("cpu", lora_dropout=0.5))
    trained = with_adapter(backbone, adapter, "trained")
    adapter.train()
    packer, asker = Packer(trained, "causal"), Asker(backbone)
    layout = packer.layout(backbone.encode(["w1 w2 w3", "w4"]))
    torch.manual_seed(3)
    alone = packer.states(layout)
    expected = tiny_backbone().states(["w5 w6 w7"], "bidirectional").rows[0].bank
    done_at = []
    layers = trained.model.layers
    layers[1].register_forward_hook(lambda *_: done_at.append(len(asker.answers)))

    def disturbed():
        asker.wait_in_the_queue()
        torch.manual_seed(3)
        return packer.states(layout)

    layers[0].register_forward_hook(lambda *_: asker.thread.join(5))
    states = one_item(backbone, disturbed)
    assert done_at == [1]  # before the second layer was through
    torch.testing.assert_close(asker.answers[0], expected)
    for one, two in zip(alone, states, strict=True):
        assert torch.equal(one, two)
    assert not any(layer._forward_pre_hooks for layer in layers)


def test_a_backward_pass_lets_waiting_requests_go_first():
    backbone = tiny_backbone()
    backbone.model.requires_grad_(True)
    packer, order, asker = Packer(backbone, "causal"), [], Asker(backbone)

    def step():
        hidden = packer.states(packer.layout(backbone.encode(["w1 w2 w3", "w4"])))
        asker.wait_in_the_queue()

        def first_layer(gradient):
            asker.thread.join(5)
            order.append(("first layer", len(asker.answers)))

        hidden[1].register_hook(first_layer)
        hidden[-1].sum().backward()

    one_item(backbone, step)
    assert order == [("first layer", 1)]


def test_micro_batches_of_a_gpu_recipe_are_reduced_for_a_cpu():
    training = Training(tiny_backbone(), Design.parse("M1"), pair_set(), recipe(micro_tokens=10**6))
    encoded = training.pooler.encode([(text, False) for text in words(*[60] * 40)])
    parts = training.pooler.parts(encoded)
    assert len(parts) == 3  # 40 texts of 61 tokens, 1,024 at once
    assert max(sum(len(encoded[i].ids) for i in part) for part in parts) <= 1024


def test_rows_are_evenly_full_and_no_text_is_lost():
    packer = Packer(tiny_backbone(), "causal")
    lengths = [30, 3, 17, 8, 8, 25, 2, 50]
    parts = packer.parts(lengths, 60)
    assert sorted(i for part in parts for i in part) == list(range(len(lengths)))
    # 143 tokens in three rows: 50, 30 + 8 + 8, 25 + 17, and the shortest where room is left
    assert sorted(sum(lengths[i] for i in part) for part in parts) == [46, 47, 50]
    assert packer.parts([5], 60) == [[0]]


def test_a_gpu_with_too_little_memory_trains_in_smaller_parts(monkeypatch):
    """The GPU's error is raised by hand: memory that runs out on demand is not to be had."""
    plain = trained("M1", steps=3)
    training = Training(tied(), Design.parse("M1"), pair_set(), recipe(steps=3))
    states, most = Packer.states, 60

    def small(self, layout):
        if layout.ids.numel() > most:
            raise torch.OutOfMemoryError
        return states(self, layout)

    monkeypatch.setattr(Packer, "states", small)
    list(training.run())
    assert training.steps_done == 3 and training.pooler.budget <= most
    assert_close(weights(training), weights(plain), atol=1e-5)
    most = 1
    beyond = Training(tied(), Design.parse("M1"), pair_set(), recipe(steps=3))
    with pytest.raises(EmbedLabError, match="memory does not suffice"):
        list(beyond.run())
