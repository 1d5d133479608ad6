"""The model card of a trained model: its design, its data, its training and its scores."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from embedlab.catalogue import CATALOGUE
from embedlab.export.serving import Server, pooling_type
from embedlab.models.attention import Attention
from embedlab.models.run_folder import RunInfo
from embedlab.text import printable

#: Licences of backbones under the names that the Hub's front matter knows.
_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "Gemma Terms of Use": "gemma"}
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_MARKUP = re.compile(r"([\\`*_\[\]|~$#])")
_LOCAL_PATH = re.compile(r"[/\\~]|\.{1,2}[/\\]|[A-Za-z]:[/\\]|file:")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LONGEST = 200
#: The library that opens each kind of export.
LIBRARIES = {
    "adapter": "embedlab",
    "sentence-transformers": "sentence-transformers",
    "static": "model2vec",
    "gguf": "gguf",
}


def model_card(
    run_info: RunInfo,
    kind: str,
    *,
    own_code: bool,
    servers: Sequence[Server] = (),
    notes: Sequence[str] = (),
) -> str:
    """The README.md of an export: YAML front matter, then markdown; every value is escaped.

    Args:
        run_info: of the run that is exported.
        kind: one of the kinds of export.
        own_code: whether the folder has a module file that the user has to trust.
        servers: what is known of servers that run it.
        notes: sentences about this kind of export.
    """
    from huggingface_hub import ModelCard, ModelCardData

    backbone, design = run_info.backbone, run_info.trained_design
    lora = kind == "adapter" and run_info.mode != "head"
    library = LIBRARIES[kind]
    licence = CATALOGUE[backbone.id].licence if backbone.id in CATALOGUE else ""
    on_the_hub = backbone.id not in CATALOGUE and _HUB_NAME.fullmatch(backbone.id)
    facts = [part for part in (backbone.source, backbone.note, backbone.dtype) if part]
    card = ModelCard.from_template(
        ModelCardData(
            base_model=backbone.id if on_the_hub else None,
            library_name="peft" if lora else library,
            license=_LICENCES.get(licence),
            pipeline_tag="sentence-similarity",
            tags=[library, "sentence-similarity", "feature-extraction", *(["lora"] * lora)],
        ),
        template_path=str(Path(__file__).with_name("model_card.md.jinja")),
        run=run_info,
        design=design,
        design_code=repr(str(design)),
        backbone_facts=", ".join(map(plain, facts)),
        in_domain=", ".join(map(plain, run_info.data.in_domain)),
        recipe={k: v for k, v in run_info.recipe.items() if k not in ("mode", "steps", "seed")},
        kind=kind,
        own_code=own_code,
        servers=servers,
        notes=notes,
        pooling=pooling_type(design) if kind == "gguf" else "",
        causal=Attention.parse(design.mode).mode != "bidirectional",
        plain=plain,
        recorded=lambda value: "not recorded" if value in ("", None) else plain(value),
        quoted=lambda prompt: json.dumps(prompt, ensure_ascii=False) if prompt else "none",
        score=score_with_interval,
    )
    return f"{card}\n"


def plain(value: object) -> str:
    """Text as it reads, safe in markdown, in a table and in HTML: one line, markup escaped."""
    text = printable(str(value))
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return _MARKUP.sub(r"\\\1", text).translate(_ENTITIES)


def without_local_paths(run_info: RunInfo) -> RunInfo:
    """The run's information with :func:`public_name` for every path on this machine."""
    public = {
        name: part.model_copy(
            update={key: public_name(value) for key, value in part if isinstance(value, str)}
        )
        for name, part in (("backbone", run_info.backbone), ("data", run_info.data))
    }
    return run_info.model_copy(update=public)


def public_name(text: str) -> str:
    """A path on this machine by its last part; other text, Hub names too, as it is."""
    if not _LOCAL_PATH.match(text):
        return text
    return re.split(r"[/\\]", text.rstrip("/\\"))[-1]


def score_with_interval(triple: tuple[float | None, float | None, float | None]) -> str:
    """A score with its interval; both may be undefined, as of cosines that are all equal."""
    score, low, high = ("undefined" if value is None else f"{100 * value:.1f}" for value in triple)
    return score if None in triple else f"{score} ({low} to {high})"
