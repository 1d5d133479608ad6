"""Every figure of the lessons that ship, on the real backbone, against a computation by hand.

Vectors come from the public ``embed``, which other tests compare with transformers; tokens and
masks come straight from transformers. The scores are counted here, text by text.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch
from support.labs import real_lab
from support.serving import ROOT

from embedlab import Design, embed
from embedlab.lab.lesson_figures import MEASURES, values
from embedlab.lab.lessons import SHIPPED, read_lessons
from embedlab.models.pooling import POOLINGS
from embedlab.resources import ASSETS

LESSONS = read_lessons(SHIPPED, MEASURES)
SENSES = [json.loads(line) for line in (ASSETS / "senses.jsonl").open(encoding="utf-8")]
TEXTS = [row["text"] for row in SENSES]
QUERIES = [json.loads(line) for line in (ASSETS / "senses_queries.jsonl").open(encoding="utf-8")]
REPORT = json.loads((ASSETS / "study" / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def computed(smollm2):
    """All figures of all lessons, as the page computes them."""
    lab = real_lab(smollm2)
    return {key: values(lab, lesson, lesson.figures) for key, lesson in LESSONS.items()}


@pytest.fixture(scope="module")
def by_hand(smollm2):
    return ByHand(smollm2)


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_figure_is_what_a_computation_by_hand_gives(lesson, computed, by_hand):
    for name, figure in LESSONS[lesson].figures.items():
        got = computed[lesson][name]
        expected = getattr(by_hand, figure.measure)(figure)
        assert got.number == pytest.approx(expected, rel=1e-3, abs=0.05), (name, got)
        assert got.words, name


def test_a_prediction_is_right_by_the_figures_alone(computed):
    for key, lesson in LESSONS.items():
        for number in lesson.questions:
            predict = lesson.steps[number].predict
            a, b = (computed[key][name].number for name in predict.between)
            close = abs(a - b) < predict.margin or a == b
            expected = "same" if close else ("A" if a > b else "B")
            assert predict.outcome(computed[key]) == expected, (key, number)


def test_the_teachers_guide_says_what_comes_out(computed):
    """docs/teaching.md has a row for every prediction: its two figures and the answer."""
    guide = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \|[^|]*\| ([^|]*) \| ([^|]*) \| (A|B|same) \|$", guide, re.M)
    asked = [(n, key, i) for n, key in enumerate(LESSONS, 1) for i in LESSONS[key].questions]
    assert [int(number) for number, *_ in rows] == [n for n, *_ in asked]
    for (_, *written, right), (_, key, step) in zip(rows, asked, strict=True):
        predict = LESSONS[key].steps[step].predict
        assert predict.outcome(computed[key]) == right
        for text, name in zip(written, predict.between, strict=True):
            figure = computed[key][name]
            if not figure.words.isalpha():
                # Another processor may put one neighbour before another: two sentences of 160.
                assert float(text) == pytest.approx(figure.number, abs=1.3), (key, name)
            else:
                assert text == figure.words


class ByHand:
    """Each measure of a lesson once more, the long way."""

    def __init__(self, backbone):
        self.backbone = backbone
        self.vectors = cache(lambda design: embed(TEXTS, Design.parse(design), backbone))
        self.curve = cache(self._curve)

    # texts and scores

    def texts(self, figure):
        return len(TEXTS)

    def labels(self, figure):
        return len({row[figure.where or "sense"] for row in SENSES})

    def queries(self, figure):
        return len(QUERIES)

    def knn_accuracy(self, figure):
        return self._knn(self.vectors(figure.design))

    def mean_cosine(self, figure):
        x = self.vectors(figure.design).astype(float)
        cosines = [x[i] @ x[j] for i in range(len(x)) for j in range(i)]
        return 100 * np.mean(cosines)

    def ndcg_10(self, figure):
        design = Design.parse(figure.design)
        asked = [row["query"] for row in QUERIES]
        q = embed(asked, design, self.backbone, query=True, fit=TEXTS)
        scores = []
        for vector, row in zip(q, QUERIES, strict=True):
            order = np.argsort(-(self.vectors(figure.design) @ vector), kind="stable")[:10]
            found = sum(1 / np.log2(i + 2) for i, t in enumerate(order) if t in row["relevant"])
            ideal = sum(1 / np.log2(i + 2) for i in range(min(10, len(row["relevant"]))))
            scores.append(found / ideal)
        return 100 * np.mean(scores)

    def gain(self, figure):
        assert figure.of == "knn_accuracy"
        a, b = (self._knn(self.vectors(each)) for each in (figure.against, figure.design))
        return b - a

    # layers

    def num_layers(self, figure):
        return self.backbone.model.config.num_hidden_layers

    def best_layer(self, figure):
        return int(np.argmax(self.curve(figure.design)))

    def layer_score(self, figure):
        scores = self.curve(figure.design)
        at = {"best": int(np.argmax(scores)), "last": -1}.get(figure.layer)
        return scores[int(figure.layer) if at is None else at]

    def _curve(self, design):
        designs = [f"{design}@{layer}" for layer in range(self.num_layers(None) + 1)]
        return [self._knn(self.vectors(each)) for each in designs]

    # tokens and masks, straight from transformers

    def tokens(self, figure):
        return self._norms(figure).shape[0]

    def first_norm(self, figure):
        return self._norms(figure)[0]

    def other_norm(self, figure):
        others = np.sort(self._norms(figure)[1:])
        return others[(len(others) - 1) // 2]  # torch's median: the lower of two

    def norm_ratio(self, figure):
        return self.first_norm(figure) / self.other_norm(figure)

    def first_cosine(self, figure):
        layer = Design.parse(figure.design).layer
        hidden = self._hidden(figure.texts[0], causal=True)[layer]
        mean = hidden.mean(axis=0)
        return 100 * hidden[0] @ mean / np.linalg.norm(hidden[0]) / np.linalg.norm(mean)

    def moved(self, figure):
        causal = figure.design.startswith("causal")
        a, b = (self._hidden(text, causal=causal)[-1] for text in figure.texts)
        place = figure.texts[0].split().index(figure.word)  # every word is one token
        assert len(figure.texts[0].split()) == len(a) - 1
        share = np.linalg.norm(b[place] - a[place]) / np.linalg.norm(a[place])
        return 100 * share if share > 1e-5 else 0

    def _norms(self, figure):
        layer = Design.parse(figure.design).layer
        return np.linalg.norm(self._hidden(figure.texts[0], causal=True)[layer], axis=1)

    @torch.no_grad()
    def _hidden(self, text, *, causal):
        tokenizer = self.backbone.tokenizer
        ids = torch.tensor([[*tokenizer(text)["input_ids"], tokenizer.eos_token_id]])
        passed = self.backbone.model(
            input_ids=ids, is_causal=causal, use_cache=False, output_hidden_states=True
        )
        return [layer[0].float().numpy() for layer in passed.hidden_states]

    # heads: the number of vectors by the paper's formulas, the shares by the head itself

    def head_reads(self, figure):
        return 1 if "last_layer" in figure.design else self.num_layers(None)

    def head_most(self, figure):
        design = Design.parse(figure.design)
        head, states = self.backbone.head(design), self.backbone.states(TEXTS, design.attention)
        layers = range(1, self.num_layers(None) + 1)
        x = torch.stack([POOLINGS["mean"](states, layer, False) for layer in layers], dim=1)
        shares = head.attention(x + head.layer_embedding, None)
        return 100 * float(shares.detach().mean(dim=(0, 1, 2)).max())

    # the study, from its file

    def study_steps(self, figure):
        return REPORT["facts"]["recipe"]["steps"]

    def study_batch(self, figure):
        return REPORT["facts"]["recipe"]["batch"]

    def study_seeds(self, figure):
        return max(len(model["seeds"]) for model in REPORT["models"])

    def study_score(self, figure):
        return 100 * self._of(figure)[0]["means"][self._category(figure)]

    def study_spread(self, figure):
        spread = self._of(figure)[0]["seed_sds"][self._category(figure)]
        return 100 * spread if spread is not None else 0

    def study_gain(self, figure):
        return 100 * self._sign(figure) * self._pair(figure)["difference"]

    def study_low(self, figure):
        pair, turned = self._pair(figure), self._sign(figure) < 0
        return -100 * pair["high"] if turned else 100 * pair["low"]

    def study_high(self, figure):
        pair, turned = self._pair(figure), self._sign(figure) < 0
        return -100 * pair["low"] if turned else 100 * pair["high"]

    def study_better(self, figure):
        pair = self._pair(figure)
        return float(pair["separable"] and self._sign(figure) * pair["difference"] > 0)

    def study_sources(self, figure):
        clusters = [t["cluster"] for t in REPORT["tasks"] if t["category"] == figure.category]
        return len(set(clusters))

    def study_p(self, figure):
        return self._pair(figure)["p"]

    def study_smallest_p(self, figure):
        return 2 / 2 ** self.study_sources(figure)

    def study_comparisons(self, figure):
        designs = Counter(model["compared"] for model in REPORT["models"])[True]
        return designs * (designs - 1) / 2

    def study_alpha(self, figure):
        return 100 * REPORT["alpha"]

    def study_needed_p(self, figure):
        return REPORT["alpha"] / self.study_comparisons(figure)

    def study_held_out(self, figure):
        return 100 * np.mean(self._ends(figure)[:, 0 if figure.when == "before" else 1])

    def study_learned(self, figure):
        return 100 * np.mean(self._ends(figure) @ [-1, 1])

    def _ends(self, figure):
        ends = []
        for curve in REPORT["curves"]:
            scores = [score for *_, score in curve["points"] if score is not None]
            if curve["label"] == figure.design:
                ends.append((scores[0], scores[-1]))
        return np.array(ends)

    def _of(self, figure):
        kind = "untrained" if figure.when == "before" else "trained"
        both = zip(REPORT["models"], REPORT["summary"], strict=True)
        return [row for m, row in both if (m["label"], m["kind"]) == (figure.design, kind)]

    def _category(self, figure):
        return REPORT["categories"].index(figure.category)

    def _pair(self, figure):
        wanted = {figure.design, figure.against}
        of = [o["over"] for o in REPORT["over_datasets"] if o["category"] == figure.category]
        return next(one for one in of if {one["a"], one["b"]} == wanted)

    def _sign(self, figure):
        return 1 if self._pair(figure)["b"] == figure.design else -1

    @staticmethod
    def _knn(vectors):
        right = 0
        for i, row in enumerate(SENSES):
            cosines = vectors @ vectors[i]
            cosines[i] = -np.inf
            nearest = np.argsort(-cosines, kind="stable")[:10]
            votes = [SENSES[j]["sense"] for j in nearest]
            most = max(Counter(votes).values())
            # Of senses with equally many votes the one with the nearest sentence wins.
            won = next(sense for sense in votes if votes.count(sense) == most)
            right += won == row["sense"]
        return 100 * right / len(SENSES)
