"""The recipe ``paper-exact`` against a loop over the authors' loss, written here from its formula.

Eight queries with their positives and hard negatives meet: sixteen candidates a query, cosine × 20,
cross-entropy, the mean over the eight. The losses of an update's groups are averaged. Around it
stand what the libraries of the authors' trainer do: AdamW that spares norms and biases, a gradient
norm of 1 at most, transformers' linear schedule.
"""

from __future__ import annotations

import copy

import pytest
import torch
from support.models import tiny_backbone
from support.pairs import pair_set
from torch.nn import functional as F
from transformers import get_linear_schedule_with_warmup

from embedlab import Design, embed
from embedlab.errors import EmbedLabError
from embedlab.models.pooling import PAPER_HEAD
from embedlab.training.authors import draw
from embedlab.training.checkpoints import resume, run_info, save_checkpoint
from embedlab.training.forecast import plan_training, sentences
from embedlab.training.recipe import RECIPES, recipe_from
from embedlab.training.training import Training

#: Of the 24 pairs three updates of 16, each of two groups.
SMALL = {"steps": 3, "batch": 16, "held_out": 0, "lora_dropout": 0.0, "head": "small"}
#: A pace and a decay at which three steps show.
FAST = {"warmup": 1, "lr": 1e-2, "head_lr": 1e-2, "weight_decay": 1.0}


def test_the_recipe_has_the_authors_numbers():
    exact = RECIPES["paper-exact"]
    assert exact.batch == 256 * 8 and exact.group == 8 and exact.max_negatives == 1
    assert (exact.steps, exact.warmup, exact.schedule) == (1000, 100, "linear")
    assert exact.lr == exact.head_lr == 1e-5
    assert (exact.lora_rank, exact.lora_alpha, exact.lora_dropout) == (16, 32, 0.1)
    assert (exact.scale, exact.weight_decay, exact.max_length) == (20, 0.01, 1024)
    assert exact.hard_negatives and not exact.both_directions and not exact.mntp_steps
    assert exact.rate(0) == 0 and exact.rate(50) == 0.5 and exact.rate(100) == 1
    assert exact.rate(550) == 0.5 and exact.rate(1000) == 0


def pooled(design: str, model, head, tokenizer, texts) -> torch.Tensor:
    """(n, d): padded on the left, the end token appended, as the authors' loaders have it."""
    ids = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts]
    longest = max(map(len, ids))
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids])
    rows = torch.tensor([[3] * (longest - len(row)) + row for row in ids])
    causal = design in ("M1", "M3")
    output = model(
        input_ids=rows,
        attention_mask=mask,
        is_causal=causal,
        use_cache=False,
        output_hidden_states=True,
    )
    if design == "M1":
        return output.last_hidden_state[:, -1]
    layers = torch.stack(output.hidden_states[1:], dim=1)  # (n, L, T, d)
    real = mask[:, None, :, None]
    x = layers[:, :, -1] if causal else (layers * real).sum(2) / real.sum(2)
    return head_output(head, x + head.layer_embedding)


def head_output(head, x) -> torch.Tensor:
    """DESIGN: latents attend over X, then a gated feed-forward, then the mean over the latents."""
    norm = lambda layer, y: F.layer_norm(y, y.shape[-1:], layer.weight, layer.bias)  # noqa: E731
    z = head.latents
    q = norm(head.norm_latents, z) @ head.query.weight.T
    k, v = (norm(head.norm_inputs, x) @ part.weight.T for part in (head.key, head.value))
    split = lambda y: y.unflatten(-1, (head.heads, head.head_dim))  # noqa: E731
    scores = torch.einsum("rhe,nshe->nhrs", split(q), split(k)) / head.head_dim**0.5
    read = torch.einsum("nhrs,nshe->nrhe", scores.softmax(-1), split(v)).flatten(2)
    z1 = z + read @ head.out.weight.T
    a, g = F.linear(norm(head.norm_feed_forward, z1), head.expand.weight, head.expand.bias).chunk(
        2, dim=-1
    )
    z2 = z1 + F.linear(a * F.gelu(g), head.contract.weight, head.contract.bias)
    return z2.mean(1)


def authors_loop(design: str, training: Training) -> tuple[list[float], list[torch.Tensor]]:
    """Losses and final weights of a copy of a training that has not begun."""
    recipe, pairs = training.recipe, training.train_pairs
    adapter, head = copy.deepcopy(training.adapter), copy.deepcopy(training.head)
    lora = [p for p in adapter.parameters() if p.requires_grad]
    named = [] if head is None else list(head.named_parameters())
    spared = [p for name, p in named if "norm" in name or name.endswith("bias")]
    shrunk = [p for name, p in named if "norm" not in name and not name.endswith("bias")]
    groups = [
        {"params": lora + shrunk, "weight_decay": recipe.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=recipe.lr)
    schedule = get_linear_schedule_with_warmup(adamw, recipe.warmup, recipe.steps)
    adapter.train()
    losses = []
    for step in range(recipe.steps):
        chosen, total = training.batch(step), 0.0
        for start in range(0, len(chosen), 8):
            micro = chosen[start : start + 8]
            q, p, n = (
                pooled(design, adapter.base_model.model, head, training.untrained.tokenizer, texts)
                for texts in (
                    [pairs.anchors[i] for i in micro],
                    [pairs.positives[i] for i in micro],
                    [pairs.negatives[i][0] for i in micro],
                )
            )
            candidates = torch.cat([p, n])
            assert len(candidates) == 16
            scores = 20 * F.normalize(q, dim=1) @ F.normalize(candidates, dim=1).T
            loss = F.cross_entropy(scores, torch.arange(8)) / (len(chosen) // 8)
            loss.backward()
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(lora + shrunk + spared, 1.0)
        adamw.step()
        schedule.step()
        adamw.zero_grad()
        losses.append(total)
    return losses, [*lora, *(p for _, p in named)]


def repeated_pairs():
    """Pairs of which two share a positive: to the authors' loss that is a negative as well."""
    pairs = pair_set(24, negatives=True)
    texts = list(pairs.positives)
    texts[1::2] = texts[::2]
    return type(pairs)(**{**vars(pairs), "positives": tuple(texts)})


@pytest.mark.parametrize("design", ["M1", "M3", "M5"])
@pytest.mark.parametrize("pace", [{}, FAST])
def test_three_steps_are_those_of_a_loop_over_the_authors_loss(design, pace):
    recipe = recipe_from("paper-exact", **SMALL, **pace)
    training = Training(tiny_backbone(), Design.parse(design), repeated_pairs(), recipe)
    before = [p.detach().clone() for p in training.optimiser.parameters]
    losses, weights = authors_loop(design, training)
    steps = list(training.run())[1:]
    assert [step.loss for step in steps] == pytest.approx(losses, abs=1e-5)
    named = dict(training.adapter.named_parameters()) | dict(
        () if training.head is None else training.head.named_parameters()
    )
    ours = [p for p in named.values() if p.requires_grad]
    assert len(ours) == len(weights) == len(before)
    for own, other in zip(ours, weights, strict=True):
        # Relative to what AdamW moves a weight by in the last step.
        atol = 0.05 * recipe.lr * recipe.rate(2)
        torch.testing.assert_close(own, other, atol=atol, rtol=1e-6)
    # The first update has the rate 0; then something is learned.
    moved = [
        not torch.equal(p, b) for p, b in zip(training.optimiser.parameters, before, strict=True)
    ]
    assert steps[0].lr == 0 and any(moved)


def test_groups_are_not_each_others_negatives():
    """The loss of two groups is the mean of each one's alone, and not that of the whole batch."""
    pairs = pair_set(16, negatives=True)
    options = SMALL | {"steps": 1}
    make = lambda data, **more: Training(  # noqa: E731
        tiny_backbone(), Design.parse("M1"), data, recipe_from("paper-exact", **options, **more)
    )
    both = make(pairs)
    grouped = list(both.run())[1].loss
    whole = list(make(pairs, group=0).run())[1].loss
    order = both.batch(0)
    halves = [list(make(pairs.take(order[i : i + 8])).run())[1].loss for i in (0, 8)]
    assert grouped == pytest.approx(sum(halves) / 2, abs=1e-5)
    assert whole > grouped + 0.1


def test_long_texts_are_cut_later_in_training_than_in_embedding(tmp_path):
    backbone = tiny_backbone()
    backbone.max_length = 8
    recipe = recipe_from("paper-exact", **SMALL | {"steps": 1}, max_length=30)
    long = " ".join(["w1"] * 50)
    training = Training(backbone, Design.parse("M1"), pair_set(16), recipe)
    assert len(training.pooler.encode([(long, True)])[0].ids) == 30
    list(training.run())
    result = training.result()
    assert len(result.encode([long])[0].ids) == 8
    assert run_info(training, "tiny").backbone.max_length == 8
    assert embed([long], training.design, result).shape == (1, 32)


def test_the_paper_head_is_drawn_as_torch_draws_it():
    recipe = recipe_from("paper-exact", **SMALL | {"head": "paper"})
    head = Training(tiny_backbone(), Design.parse("M5"), pair_set(16), recipe).head
    assert head.size == PAPER_HEAD and head.latents.shape == (768, 32)
    assert head.query.weight.shape == (32 * 2048, 32)
    assert float(head.latents.detach().std()) == pytest.approx(1, abs=0.02)
    assert float(head.layer_embedding.detach().std()) == pytest.approx(1, abs=0.2)
    bound = 1 / 32**0.5
    for tensor in (head.key.weight, head.expand.weight, head.expand.bias):
        assert float(tensor.detach().abs().max()) <= bound
        assert float(tensor.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.15)
    again = copy.deepcopy(head)
    draw(again, recipe.seed)
    assert torch.equal(again.latents, head.latents)


def test_a_group_of_one_is_refused_and_a_plan_says_who_meets():
    with pytest.raises(EmbedLabError, match="A group of 1 pair"):
        recipe_from("paper-exact", group=1).check(Design.parse("M1"))
    plan = plan_training(recipe_from("paper-exact", **SMALL), pair_set(24, negatives=True))
    assert any(
        "8 pairs meet in one loss, 16 candidates a query" in line for line in sentences(plan)
    )


def test_a_checkpoint_of_a_version_without_groups_goes_on(tmp_path):
    import json

    from safetensors import safe_open
    from safetensors.torch import save_file

    training = Training(tiny_backbone(), Design.parse("M1"), pair_set(16), recipe_from("cpu"))
    save_checkpoint(training, tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["training"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name in ("group", "max_length", "head", "as_authors"):
        del metadata["recipe"][name]
    save_file(tensors, path, {"training": json.dumps(metadata)})
    assert resume(training, tmp_path)
