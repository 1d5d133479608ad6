"""The trained designs that ship: whole, small enough, and what their cards say."""

from __future__ import annotations

import pytest
from scipy.stats import spearmanr

from embedlab import Design, embed, load_backbone, load_corpus
from embedlab.models.trained_designs import MOST_ALL, MOST_FILE, trained_designs, verify
from embedlab.resources import DESIGNS
from embedlab.study.design_set import read_design_set
from embedlab.study.train_designs import MOST_LOSS, check_designs

SHIPPED = trained_designs()
each_design = pytest.mark.parametrize("name", SHIPPED)
#: Points by which float32 may differ from the card's bfloat16.
ROUNDING = 0.5


def test_the_designs_are_whole_and_within_the_sizes():
    folders = check_designs(DESIGNS)
    assert [folder.name for folder in folders] == sorted(SHIPPED)
    sizes = [path.stat().st_size for folder in folders for path in folder.rglob("*")]
    assert max(sizes, default=0) <= MOST_FILE and sum(sizes) <= MOST_ALL
    jobs = {job.id: job for job in read_design_set(DESIGNS / "recipe.yaml").jobs if job.shipped}
    assert len(jobs) == 7 and set(SHIPPED) <= set(jobs)
    for name, design in SHIPPED.items():
        assert design.design == jobs[name].design
        assert design.run_info.recipe["mntp_steps"] == jobs[name].recipe.mntp_steps


@each_design
def test_a_card_states_figures_and_a_loss_within_the_limit(name):
    design = SHIPPED[name]
    verify(design.folder)
    stored = design.run_info.stored
    assert stored is not None and stored.loss < MOST_LOSS
    card = (design.folder / "README.md").read_text(encoding="utf-8")
    for change in design.run_info.before_after:
        assert None not in (*change.before, *change.after)
        assert f"{100 * change.after[0]:.1f} (" in card
    assert "What it is not for" in card


@pytest.mark.slow
@each_design
def test_a_design_reproduces_its_cards_figure(name, smollm2):
    """Straight from scipy, on the first 600 pairs of STS-B test."""
    shipped = SHIPPED[name]
    corpus = load_corpus("stsb")
    pairs = corpus.pairs[:600]
    texts = sorted({i for a, b, _ in pairs for i in (a, b)})
    row = {text: number for number, text in enumerate(texts)}

    def spearman(backbone) -> float:
        vectors = embed([corpus.texts[i] for i in texts], shipped.design, backbone)
        cosines = [float(vectors[row[a]] @ vectors[row[b]]) for a, b, _ in pairs]
        return 100 * float(spearmanr(cosines, [gold for *_, gold in pairs]).statistic)

    after = spearman(load_backbone(name, dtype="float32", device="cpu"))
    (change,) = (c for c in shipped.run_info.before_after if "STS-B" in c.task)
    assert after == pytest.approx(100 * change.after[0], abs=ROUNDING)
    assert after > spearman(smollm2)
    if shipped.design == Design.parse("M1"):
        assert after >= 80
