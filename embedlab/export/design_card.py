"""The card of a trained design: its figures, its recipe, its data, and what it is not for."""

from __future__ import annotations

from pathlib import Path

from embedlab.catalogue import CATALOGUE
from embedlab.export.model_card import plain, score_with_interval
from embedlab.models.run_folder import RunInfo


def design_card(run_info: RunInfo) -> str:
    """A README.md: YAML front matter, then markdown; every value is escaped."""
    from huggingface_hub import ModelCard, ModelCardData

    backbone = run_info.backbone
    pinned = CATALOGUE.get(backbone.id)
    card = ModelCard.from_template(
        ModelCardData(
            library_name="embedlab",
            pipeline_tag="sentence-similarity",
            tags=["embedlab", "sentence-similarity", "lora"],
        ),
        template_path=str(Path(__file__).with_name("design_card.md.jinja")),
        run=run_info,
        design=run_info.trained_design,
        backbone_facts=", ".join(filter(None, (backbone.source, backbone.note))),
        backbone_licence=pinned.licence if pinned else "",
        plain=plain,
        score=score_with_interval,
    )
    return f"{card}\n"
