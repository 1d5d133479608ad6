"""Several sets of pairs as one."""

from __future__ import annotations

import pytest

from embedlab.data.mixture import mix
from embedlab.errors import EmbedLabError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    for name, n in (("few", 5), ("many", 40)):
        rows = [f"{name} question {i},{name} answer {i}" for i in range(n)]
        (folder / f"{name}.csv").write_text("\n".join(["question,answer", *rows]), "utf-8")
    return {name: str(folder / f"{name}.csv") for name in ("few", "many")}


def test_a_mixture_has_so_many_pairs_of_each_set_and_keeps_unseen_ones(files):
    mixture = mix({files["few"]: 5, files["many"]: 20}, unseen=8, seed=3)
    anchors = mixture.pairs.anchors
    assert [sum(a.startswith(name) for a in anchors) for name in ("few", "many")] == [5, 20]
    for anchor, positive in zip(anchors, mixture.pairs.positives, strict=True):
        assert positive == anchor.replace("question", "answer")
    (unseen,) = mixture.unseen.values()
    assert len(unseen.queries) == 8 and not set(unseen.queries) & set(anchors)
    for query, answers in zip(unseen.queries, unseen.relevant, strict=True):
        assert [unseen.texts[i] for i in answers] == [query.replace("question", "answer")]
    again = mix({files["few"]: 5, files["many"]: 20}, unseen=8, seed=3)
    assert again.pairs.digest == mixture.pairs.digest
    assert mix({files["many"]: 20}, seed=4).pairs.digest != mix({files["many"]: 20}).pairs.digest


def test_more_pairs_than_there_are_is_said(files):
    with pytest.raises(EmbedLabError, match=r"6 pairs of 'few.csv' .* has 5"):
        mix({files["few"]: 6})
