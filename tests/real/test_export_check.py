"""The check of an export in a fresh process, on tiny models."""

from __future__ import annotations

import pytest
from support.models import tiny_backbone, words
from support.runs import run_info, trained

from embedlab import Design, EmbedLabError, embed
from embedlab.export.check import verify
from embedlab.export.export_model import export_model
from embedlab.export.sentence_transformers import export_sentence_transformers

TEXTS = (*words(1, 3, 7, 20, 62, 63, 64, 65, 90, 200), "w1 zzz 東京 w3", " w1  w2 ")


@pytest.mark.slow
def test_an_export_that_needs_this_project_is_refused(tmp_path):
    backbone = tiny_backbone()
    design = Design.parse("M3")
    out = export_sentence_transformers(backbone, design, run_info(backbone, design), tmp_path / "m")
    code = out / "export_pooling.py"
    code.write_text(code.read_text() + "\nimport embedlab.models.pooling\n")
    with pytest.raises(EmbedLabError, match="the export needs embedlab"):
        verify(out, embed(TEXTS, design, backbone), TEXTS)


def test_a_check_that_fails_gives_no_archive(tmp_path):
    backbone = trained(tiny_backbone())
    design = Design.parse("causal/mean")
    stale = tmp_path / "my-run-sentence-transformers.zip"
    stale.write_bytes(b"of an earlier export")

    def spoil(done: int, total: int, what: str) -> None:
        if what == "exported":
            config = next(tmp_path.rglob("config_sentence_transformers.json")).with_name(
                "config.json"
            )
            config.write_text(config.read_text().replace('"is_causal": true', '"is_causal": false'))

    with pytest.raises(EmbedLabError, match=r"other vectors .*largest difference"):
        export_model(
            backbone,
            design,
            run_info(backbone, design),
            tmp_path,
            tmp_path,
            "sentence-transformers",
            spoil,
        )
    assert not list(tmp_path.iterdir())


def test_stopping_ends_the_process_and_leaves_nothing(tmp_path):
    backbone = tiny_backbone()
    design = Design.parse("causal/eos")

    class Enough(Exception):
        pass

    def stop(done: int, total: int, what: str) -> None:
        if "fresh process" in what:
            raise Enough

    info = run_info(backbone, design)
    with pytest.raises(Enough):
        export_model(
            backbone, design, info, tmp_path, tmp_path / "out", "sentence-transformers", stop
        )
    assert not list((tmp_path / "out").iterdir())
    out = export_sentence_transformers(backbone, design, info, tmp_path / "m")
    with pytest.raises(EmbedLabError, match=r"within 0\.1 s"):
        verify(out, embed(TEXTS, design, backbone), TEXTS, timeout=0.1)
