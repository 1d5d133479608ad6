"""Everything that touches the device, on a pretended GPU and on the CPU: equal, and kept apart."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from support.models import tiny_model, tiny_tokenizer
from support.pairs import TEXTS, pair_set, recipe
from support.pretended_gpu import CUDA, on_gpu, pretended_gpu
from support.runs import run_info

from embedlab import PRESETS, Design, embed, load_backbone
from embedlab.analysis.tokens import head_attention, mask_proof, token_view
from embedlab.export.sentence_transformers import export_sentence_transformers
from embedlab.models.adapter import adapter_weights
from embedlab.models.run_folder import load_run
from embedlab.training.checkpoints import resume, save_checkpoint, save_run
from embedlab.training.training import Training

DESIGNS = [*map(str, PRESETS.values()), "causal/weighted_mean@2", "causal/mean@1+skip_first"]
#: Sums run in another order where a batch is padded and not packed.
CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny llama whose embedding is its language-model head too, as MNTP needs it."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    model = tiny_model("llama", layers=2)
    model.config.tie_word_embeddings = True
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def gpu():
    with pretended_gpu() as gpu:
        yield gpu


def waits(gpu):
    """How often the GPU was waited for: by calls that need a number, and by copies to the CPU."""
    copies = sum(n for what, n in gpu.moves.items() if what.startswith("gpu>cpu"))
    return copies + sum(gpu.syncs.values())


def forget(gpu):
    gpu.syncs.clear()
    gpu.moves.clear()


def loaded(folder):
    """On the GPU where there seems to be one."""
    return load_backbone(folder, device="auto", dtype="float32", max_length=64)


def on_cpu(compute, *args):
    """The same on the CPU, as numbers."""
    assert not torch.cuda.is_available()
    return compute(*args)


# --- vectors and what is kept of a pass


def vectors(folder):
    backbone = loaded(folder)
    return {design: embed(TEXTS, Design.parse(design), backbone) for design in DESIGNS}


def test_vectors_of_every_design_are_those_of_the_cpu(folder):
    expected = on_cpu(vectors, folder)
    with pretended_gpu():
        seen = vectors(folder)
    for design in DESIGNS:
        np.testing.assert_allclose(seen[design], expected[design], **CLOSE, err_msg=design)


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
def test_what_is_kept_of_a_pass_is_on_the_cpu(attention, folder, gpu):
    backbone = loaded(folder)
    assert backbone.device == CUDA and next(backbone.model.parameters()).is_cuda
    states = backbone.states(TEXTS, attention)
    for row in states.rows:
        assert not on_gpu(row.bank) and (row.tokens is None or not on_gpu(row.tokens))
        # A view would keep the whole batch alive.
        assert row.bank.untyped_storage().nbytes() == row.bank.nbytes
    tokens = backbone.token_states([[1, 2, 3]], [[1, 1, 1]], attention)
    assert not on_gpu(tokens)


def test_a_batch_waits_for_the_gpu_a_few_times_whatever_its_texts(folder, gpu):
    backbone = loaded(folder)
    counts = []
    for texts in (TEXTS, [f"w{i} w{i + 1}" for i in range(40)]):
        forget(gpu)
        backbone.states(texts, "bidirectional")
        counts.append(waits(gpu))
    assert counts[0] == counts[1] <= 6, (gpu.syncs, gpu.moves)


# --- views


def views(folder):
    """What the panels of a text show, as numbers."""
    backbone, numbers = loaded(folder), []
    for name in DESIGNS:
        view = token_view(backbone, "w1 w2 w3 w4", Design.parse(name))
        numbers += [view.cosines, view.norms, view.weights]
    for attention in ("causal", "bidirectional"):
        proof = mask_proof(backbone, "w1 w2 w3", "w1 w2 w9", attention)
        assert proof.holds
        numbers.append(proof.moved)
    for name in ("M2", "M3", "M4", "M5"):
        design = Design.parse(name)
        embed(TEXTS, design, backbone)  # puts the head where the backbone is
        attention = head_attention(backbone.head(design), backbone.states(TEXTS, design.attention))
        numbers += [attention.per_head, attention.mean]
    return numbers


def test_views_are_those_of_the_cpu(folder):
    expected = on_cpu(views, folder)
    with pretended_gpu():
        seen = views(folder)
    for one, other in zip(seen, expected, strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)


# --- training

MODES = {
    "lora": ("causal/eos", {}),
    "lora, bidirectional mean, both directions": ("bidirectional/mean", {"both_directions": True}),
    "lora with a head over layers": ("M5", {}),
    "lora with a head over tokens": ("M4", {}),
    "the head alone, over tokens": ("M4", {"mode": "head"}),
    "the head alone, over layers": ("M3", {"mode": "head"}),
    "MNTP first": ("bidirectional/mean", {"mntp_steps": 1, "steps": 1}),
    "a batch larger than memory": ("causal/mean", {"keep_tokens": 0}),
}


def training_of(folder, name, **changes):
    design, options = MODES[name]
    options = {"steps": 2, "lora_dropout": 0.0} | options | changes
    pairs = pair_set(12, negatives=True)
    return Training(loaded(folder), Design.parse(design), pairs, recipe(**options))


def learned(training):
    """The weights, the history's numbers, and vectors of the trained model."""
    list(training.run())
    weights = [p.detach().cpu().numpy() for p in training.optimiser.parameters]
    history = [[s.loss or 0.0, s.held_out or 0.0] for s in training.history]
    return [*weights, np.array(history), embed(TEXTS, training.design, training.result())]


def assert_equal(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("name", MODES)
def test_what_is_learned_is_what_the_cpu_learns(name, folder):
    expected = on_cpu(lambda: learned(training_of(folder, name)))
    with pretended_gpu():
        training = training_of(folder, name)
        assert all(p.is_cuda for p in training.optimiser.parameters)
        assert_equal(learned(training), expected)


@pytest.mark.parametrize(
    "name",
    [
        "lora with a head over tokens",
        pytest.param("the head alone, over layers", marks=pytest.mark.slow),
    ],
)
def test_a_training_resumes_on_the_gpu_where_it_stopped(name, folder, tmp_path):
    with pretended_gpu():
        whole = learned(training_of(folder, name, steps=2))
        first = training_of(folder, name, steps=2)
        steps = first.run()
        while first.steps_done < 1:
            next(steps)
        save_checkpoint(first, tmp_path)
        second = training_of(folder, name, steps=2)
        assert resume(second, tmp_path) and second.steps_done == 1
        assert all(p.is_cuda for p in second.optimiser.last_finite)
        assert_equal(learned(second), whole)


@pytest.mark.parametrize(
    ("name", "most"),
    [("lora", 12), ("MNTP first", 14), ("the head alone, over tokens", 12)],
)
def test_a_step_waits_for_the_gpu_a_bounded_number_of_times(name, most, folder, gpu):
    """Counted for 4 and for 8 pairs a step in as many micro-batches: no more with the pairs."""
    counts = []
    options = {"held_out": 0, "micro_tokens": 10_000, "evaluate_every": 100}
    if name.startswith("MNTP"):
        options["mntp_steps"] = 3  # so that the step that is counted is one of these
    for batch in (4, 8):
        training = training_of(folder, name, batch=batch, **options)
        steps = training.run()
        next(steps), next(steps)
        forget(gpu)
        next(steps)
        counts.append(waits(gpu))
    assert counts[0] == counts[1] <= most, (gpu.syncs, gpu.moves)


# --- what goes home


def tensors_of(path):
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def gone_home(folder, out):
    """A trained run saved, loaded again and exported: the tensors of its files, and vectors."""
    training = training_of(folder, "lora with a head over layers")
    list(training.run())
    design, trained = training.design, training.result()
    save_run(training, out / "run", str(folder))
    again = load_run(out / "run", loaded(folder))
    info = run_info(training.untrained, design)
    export_sentence_transformers(trained, design, info, out / "export")
    files = [*out.rglob("*.safetensors")]
    tensors = {f"{p.relative_to(out)}:{n}": t for p in files for n, t in tensors_of(p).items()}
    kept = {n: t.cpu().numpy() for n, t in adapter_weights(again.adapter).items()}
    config = json.loads((out / "export" / "config.json").read_text())
    return tensors | kept | {"vectors": embed(TEXTS, design, again)}, config


def test_a_run_goes_home_from_the_gpu_as_from_the_cpu(folder, tmp_path):
    expected, config = on_cpu(gone_home, folder, tmp_path / "cpu")
    with pretended_gpu():
        result, other = gone_home(folder, tmp_path / "gpu")
    assert result.keys() == expected.keys() and len(result) > 30
    for name, tensor in expected.items():
        np.testing.assert_allclose(result[name], tensor, atol=2e-4, rtol=1e-3, err_msg=name)
    assert config == other
