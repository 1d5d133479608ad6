"""A grid of designs in a study file, and tests against some designs alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from embedlab import Design, EmbedLabError
from embedlab.study.comparisons import compare_over_datasets, compared_pairs
from embedlab.study.definition import load_study, study_from

FILE = {
    "grid": {
        "attention": ["causal", "rerouted"],
        "template": ["", "kv"],
        "pooling": ["last", "value_mean"],
        "steps": ["", "+filter2"],
    },
    "against": ["M1"],
    "tasks": ["bbc"],
}


def test_a_grid_is_every_combination_pass_by_pass():
    study = study_from(FILE, "grid")
    assert [str(design) for design in study.designs] == [
        "causal/eos",
        "causal/eos+filter2",
        "causal/value_mean",
        "causal/last?template=kv",
        "causal/last+filter2?template=kv",
        "causal/value_mean?template=kv",
        "rerouted/eos",
        "rerouted/eos+filter2",
        "rerouted/value_mean",
        "rerouted/last?template=kv",
        "rerouted/last+filter2?template=kv",
        "rerouted/value_mean?template=kv",
    ]
    assert study.against == ("causal/eos",)
    assert study.digest != study_from(FILE | {"against": []}, "grid").digest


def test_the_training_free_study():
    study = load_study("training-free")
    assert len(study.designs) == 270 and study.recipe is None
    passes = [(d.mode, d.document_prompt) for d in study.designs]
    assert len(set(passes)) == 15
    # One pass after the other: what it left is there for all its heads.
    changes = sum(a != b for a, b in pairwise(passes))
    assert changes == 14
    assert Design.parse("causal/last+filter1.5+centre?template=topic") in study.designs
    # Studies that came before keep their names on disk.
    assert "against" not in load_study("minutes").asdict or load_study("minutes").against == ()


def test_designs_are_tested_against_those_named():
    names = ["a", "b", "c", "d"]
    assert compared_pairs(names, ["c"]) == [(2, 0), (2, 1), (2, 3)]
    assert compared_pairs(names, ["a", "c"]) == [(0, 1), (0, 2), (0, 3), (2, 1), (2, 3)]
    assert len(compared_pairs(names)) == 6
    table = np.random.default_rng(0).normal(size=(4, 8))
    few = compare_over_datasets(table, names, against=["c"])
    every = {(one.a, one.b): one for one in compare_over_datasets(table, names)}
    for one in few:
        other = every.get((one.a, one.b)) or every[one.b, one.a]
        assert one.p == other.p and one.corrected <= other.corrected


def test_a_design_that_is_not_there_is_refused():
    with pytest.raises(EmbedLabError, match="a design of this study"):
        study_from(FILE | {"against": ["M4"]}, "grid")
