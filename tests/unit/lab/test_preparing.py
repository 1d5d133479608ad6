"""Making prepared views of four texts, for which maps are PCA's: written, read, and shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.labs import corpus_of
from support.models import tiny_backbone, words

from embedlab import Design, embed
from embedlab.errors import EmbedLabError
from embedlab.lab import inside
from embedlab.lab.config import BackboneEntry, Config, Limits
from embedlab.lab.lab import Lab
from embedlab.lab.prepared_file import read_prepared, write_prepared
from embedlab.lab.prepared_views import PreparedViews
from embedlab.lab.preparing import designs_to_prepare, prepare
from embedlab.models.design import PRESET_GROUPS
from embedlab.models.embedding import fit

DESIGNS = [
    Design.parse(each)
    for each in ("causal/mean+filter1.5", "causal/mean_last+filter1.5+centre", "M3")
]
CORPUS = replace(corpus_of(words(5, 9, 3, 12, seed=5)), queries=tuple(words(4, 6, seed=9)))


@pytest.fixture(scope="module")
def lab() -> Lab:
    config = Config(
        backbones=(BackboneEntry(id="tiny", max_length=64),), limits=Limits(state_disk_mb=0)
    )
    lab = Lab(config)
    lab.models.put("tiny", tiny_backbone(tied=True))
    return lab


@pytest.fixture(scope="module")
def path(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "tiny.safetensors"
    write_prepared(path, *prepare(lab, "tiny", CORPUS, DESIGNS))
    return path


def test_what_is_made_is_what_is_shown(lab: Lab, path: Path) -> None:
    lab.prepared_views = PreparedViews(lab.config, path.parent)
    backbone = lab.backbone()
    for design in DESIGNS:
        side = lab.at_once(CORPUS, design)
        steps = fit(CORPUS.texts, design, backbone)
        expected = embed(CORPUS.texts, design, backbone, fit=steps)
        assert np.abs(side.vectors - expected).max() < 1e-3
        # Another query goes through the steps of the file, in half precision.
        other = embed(["w5 w6 w7"], design, backbone, query=True, fit=steps)
        assert np.abs(lab.embed_queries(["w5 w6 w7"], side) - other).max() < 2e-3
    first, second, third = (lab.at_once(CORPUS, design) for design in DESIGNS)
    words_of = inside.key_tokens(lab, replace(first, shipped=None), (2,))[0]
    assert lab.prepared_views.words(first, [2]) == [tuple(token.word for token in words_of)]
    assert lab.prepared_views.words(third, [2]) is None  # a head's vectors are no states
    assert lab.maps(second, first).a.shape == (4, 2)


def test_a_matrix_that_designs_share_is_stored_once(path: Path) -> None:
    names = read_prepared(path)._arrays
    assert [name for name in names if name.endswith("weight")] == ["0.0.weight"]
    assert names["0.0.weight"].dtype == np.float16


def test_only_plain_backbones_and_texts(lab: Lab) -> None:
    twice = corpus_of([*CORPUS.texts, CORPUS.texts[0]])
    with pytest.raises(EmbedLabError, match="repeat"):
        prepare(lab, "tiny", twice, DESIGNS[:1])


def test_all_presets_and_the_first_view_are_prepared() -> None:
    prepared = {str(design) for design in designs_to_prepare(Config())}
    presets = {str(design) for group in PRESET_GROUPS.values() for design in group.values()}
    defaults = Config().defaults
    assert prepared == presets | {
        str(Design.parse(each)) for each in (defaults.design_a, defaults.design_b)
    }
