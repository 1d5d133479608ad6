"""Steps against numpy written out, and what may be fitted on what."""

from __future__ import annotations

import numpy as np
import pytest
from support.models import tiny_backbone, words

from embedlab import Backbone, Design, EmbedLabError, embed, fit
from embedlab.models.steps import FittedSteps

TEXTS = words(*range(2, 30))
OTHERS = words(*range(2, 20), seed=5)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone(tied=True)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def by_hand(step: str, rows: np.ndarray, fitted: np.ndarray, backbone: Backbone) -> np.ndarray:
    """One step on unit rows (n, d), fitted on others, in float64."""
    rows, fitted = rows.astype(np.float64), fitted.astype(np.float64)
    mean = fitted.mean(axis=0)
    if step == "centre":
        return rows - mean
    if step == "whiten":
        covariance = np.cov(fitted, rowvar=False, bias=True)
        d = len(covariance)
        values, vectors = np.linalg.eigh(
            0.9 * covariance + 0.1 * np.trace(covariance) / d * np.eye(d)
        )
        return (rows - mean) @ vectors @ np.diag(values**-0.5) @ vectors.T
    if step.startswith("abtt"):
        _, _, directions = np.linalg.svd(fitted - mean, full_matrices=False)
        top = directions[: int(step[4:])]
        centred = rows - mean
        return centred - sum(np.outer(centred @ u, u) for u in top)
    if step.startswith("filter"):
        weight = backbone.model.get_input_embeddings().weight.detach().double().cpu().numpy()
        _, _, directions = np.linalg.svd(weight, full_matrices=False)
        d = len(directions)
        k = int(d / float(step[6:]))
        return rows @ directions[(d - k) // 2 : (d - k) // 2 + k].T
    if step.startswith("dim"):
        return rows[:, : int(step[3:])]
    if step == "binary":
        return np.sign(rows)
    low, high = fitted.min(axis=0), fitted.max(axis=0)
    size = (high - low) / 255
    return np.clip(np.round((rows - low) / size), 0, 255) * size + low


STEPS = ["centre", "whiten", "abtt2", "filter1.5", "dim8", "int8", "binary"]


@pytest.mark.parametrize(
    "steps", [*([step] for step in STEPS), ["filter2", "centre"], ["centre", "dim8", "binary"]]
)
def test_steps_equal_the_formula(steps, backbone):
    plain = Design.parse("causal/mean@2")
    design = Design.parse(f"causal/mean@2{''.join('+' + s for s in steps)}")
    for fitted_on in (TEXTS, OTHERS):
        rows, fitted = embed(TEXTS, plain, backbone), embed(fitted_on, plain, backbone)
        for step in steps:
            rows, fitted = (unit(by_hand(step, r, fitted, backbone)) for r in (rows, fitted))
        actual = embed(TEXTS, design, backbone, fit=None if fitted_on is TEXTS else OTHERS)
        # Only the shape of a filter's space is given: its directions have a sign each.
        np.testing.assert_allclose(
            actual @ actual.T, rows @ rows.T, atol=2e-3 if "int8" in steps else 1e-4
        )
        if not any(step.startswith("filter") for step in steps):
            np.testing.assert_allclose(actual, rows, atol=2e-3 if "int8" in steps else 1e-4)


def test_queries_get_what_was_fitted_on_documents(backbone):
    design = Design.parse("causal/mean+centre?query=w1%20&document=w2%20")
    plain = Design.parse("causal/mean?query=w1%20&document=w2%20")
    steps = fit(OTHERS, design, backbone, source="others")
    mean = embed(OTHERS, plain, backbone).mean(axis=0)
    expected = unit(embed(TEXTS, plain, backbone, query=True) - mean)
    actual = embed(TEXTS, design, backbone, query=True, fit=steps)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert (steps.texts, steps.source) == (len(OTHERS), "others")
    with pytest.raises(EmbedLabError, match="never on queries"):
        embed(TEXTS, design, backbone, query=True)
    # What is not fitted needs no documents.
    embed(TEXTS, Design.parse("causal/mean+filter2+dim4"), backbone, query=True)


def test_fitted_steps_are_kept_in_a_file(backbone, tmp_path):
    design = Design.parse("causal/mean+filter1.5+centre+int8")
    steps = fit(OTHERS, design, backbone, source="others")
    steps.save(tmp_path / "steps.safetensors")
    again = FittedSteps.load(tmp_path / "steps.safetensors")
    np.testing.assert_array_equal(
        embed(TEXTS, design, backbone, fit=steps), embed(TEXTS, design, backbone, fit=again)
    )
    assert (again.design, again.texts, again.source) == (str(design), len(OTHERS), "others")
    assert again.digest == steps.digest != ""
    with pytest.raises(EmbedLabError, match="fitted for causal/mean"):
        embed(TEXTS, Design.parse("causal/eos+centre"), backbone, fit=again)
    other = Backbone(backbone.model, backbone.tokenizer, name="other")
    with pytest.raises(EmbedLabError, match="another backbone"):
        embed(TEXTS, design, other, fit=again)
    signs = fit((), Design.parse("causal/mean+binary"), backbone)
    signs.save(tmp_path / "signs.safetensors")
    assert len(FittedSteps.load(tmp_path / "signs.safetensors").operations) == 1


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_file_without_steps_is_refused(content, tmp_path):
    path = tmp_path / "steps.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EmbedLabError, match="holds no fitted steps"):
        FittedSteps.load(path)


@pytest.mark.parametrize(
    ("design", "texts", "message"),
    [
        ("causal/mean+centre", 1, "at least 2 texts, and there is 1"),
        ("causal/mean+abtt5", 6, "at least 7 texts, and there are 6"),
        ("causal/mean+dim33", 3, "more dimensions than the 32"),
        ("causal/mean+filter2+dim17", 3, "more dimensions than the 16"),
        ("causal/value_mean@0..1+dim17", 3, "more dimensions than the 16"),
    ],
)
def test_steps_that_cannot_be_are_refused(design, texts, message, backbone):
    with pytest.raises(EmbedLabError, match=message):
        embed(TEXTS[:texts], Design.parse(design), backbone)


def test_texts_that_all_have_one_vector_are_refused(backbone):
    with pytest.raises(EmbedLabError, match="leaves a text without a vector"):
        embed([TEXTS[0]] * 3, Design.parse("causal/mean+centre"), backbone)


def test_a_filter_needs_the_unembedding(tmp_path):
    from safetensors.torch import save_file

    untied, design = tiny_backbone(), Design.parse("causal/mean+filter2")
    untied.model.config.tie_word_embeddings = False
    untied.model.config._name_or_path = str(tmp_path)
    with pytest.raises(EmbedLabError, match="unembedding of tiny-llama is not at hand"):
        embed(TEXTS, design, untied)
    # The head's own weights, as a checkpoint of the whole model has them.
    weight = untied.model.get_input_embeddings().weight.detach().clone()
    save_file({"lm_head.weight": weight}, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        embed(TEXTS, design, untied), embed(TEXTS, design, tiny_backbone(tied=True))
    )
