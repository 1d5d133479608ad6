"""The model card of a trained model: what it is, what it learned from, what that changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from embedlab.catalogue import CATALOGUE
from embedlab.models.design import Design

#: Licences of backbones under the names that the Hub's front matter knows.
_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "Gemma Terms of Use": "gemma"}
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_MARKUP = re.compile(r"([\\`*_\[\]|~$#])")
_PLACE = re.compile(r"[/\\~]|\.{1,2}[/\\]|[A-Za-z]:[/\\]|file:")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LONGEST = 200

_ST_CODE = """\
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("."{trust})  # this folder, or its name on the Hub
queries = model.encode_query(["Where can I withdraw money?"])
documents = model.encode_document(["The bank opens at nine.", "Boats lay along the bank."])
print(model.similarity(queries, documents))
"""
_ADAPTER_CODE = """\
from embedlab import Design, embed, load_backbone

backbone = load_backbone(".")  # this folder; it fetches the backbone and puts the adapter on it
design = Design.parse({design!r})
vectors = embed(["The bank opens at nine.", "Boats lay along the bank."], design, backbone)
print(vectors @ vectors.T)
"""


def model_card(about: Mapping[str, Any], design: Design, kind: str, *, own_code: bool) -> str:
    """The README.md of an export: YAML front matter, then markdown.

    Args:
        about: a run's facts, the content of its run.json.
        design: what was trained.
        kind: ``adapter`` or ``sentence-transformers``.
        own_code: whether the folder brings a module file that the user has to trust.

    Returns:
        The text; whatever a user named in ``about`` is escaped.
    """
    sections = [
        _front_matter(about, kind),
        f"# {plain(about.get('name') or 'Trained embedding model')}",
        f"A text embedding model: `{design.name}`{_alias(design)} on {_backbone(about)}, trained "
        "contrastively with EmbedLab.",
        "## Use\n\n" + _use(design, kind, own_code),
        "## Design\n\n" + _table(("", ""), _design_rows(about, design)),
        "## Data\n\n" + _data(about.get("data") or {}),
        "## Training\n\n" + _table(("", ""), _training_rows(about)),
    ]
    if about.get("before_after"):
        sections.append("## Before and after\n\n" + _before_after(about["before_after"]))
    return "\n\n".join(sections) + "\n"


def plain(value: object) -> str:
    """Text as it reads, safe in markdown, in a table and in HTML: one line, markup escaped."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return _MARKUP.sub(r"\\\1", text).translate(_ENTITIES)


def without_places(about: Mapping[str, Any]) -> dict[str, Any]:
    """A run's facts with :func:`public_name` for every path on this machine."""
    clean = dict(about)
    for part in ("backbone", "data"):
        if isinstance(clean.get(part), Mapping):
            clean[part] = {
                key: public_name(value) if isinstance(value, str) else value
                for key, value in clean[part].items()
            }
    return clean


def public_name(text: str) -> str:
    """A path on this machine by its last part; other text, Hub names too, as it is."""
    if not _PLACE.match(text):
        return text
    return re.split(r"[/\\]", text.rstrip("/\\"))[-1]


def _front_matter(about: Mapping[str, Any], kind: str) -> str:
    backbone = str((about.get("backbone") or {}).get("id", ""))
    lora = kind == "adapter" and about.get("mode") != "head"
    library = "sentence-transformers" if kind == "sentence-transformers" else "embedlab"
    facts: dict[str, Any] = {
        "library_name": "peft" if lora else library,
        "pipeline_tag": "sentence-similarity",
        "tags": [library, "sentence-similarity", "feature-extraction", *(["lora"] if lora else [])],
    }
    if backbone not in CATALOGUE and _HUB_NAME.fullmatch(backbone):
        facts["base_model"] = backbone
    if backbone in CATALOGUE and CATALOGUE[backbone].licence in _LICENCES:
        facts["license"] = _LICENCES[CATALOGUE[backbone].licence]
    return f"---\n{yaml.safe_dump(facts, sort_keys=False)}---"


def _alias(design: Design) -> str:
    return f" ({design.alias} of arXiv 2409.02727)" if design.alias else ""


def _backbone(about: Mapping[str, Any]) -> str:
    backbone = about.get("backbone") or {}
    parts = [backbone.get("source"), backbone.get("note"), backbone.get("dtype")]
    known = ", ".join(plain(part) for part in parts if part)
    return plain(backbone.get("id", "a backbone")) + (f" ({known})" if known else "")


def _use(design: Design, kind: str, own_code: bool) -> str:
    if kind == "adapter":
        return f"```python\n{_ADAPTER_CODE.format(design=str(design))}```"
    trust = ", trust_remote_code=True" if own_code else ""
    note = (
        "\n\n`trust_remote_code=True` lets the one module file in this folder, "
        "`export_pooling.py`, run: the pooling is not part of sentence-transformers."
    )
    return f"```python\n{_ST_CODE.format(trust=trust)}```" + (note if own_code else "")


def _design_rows(about: Mapping[str, Any], design: Design) -> list[tuple[str, object]]:
    longest = (about.get("backbone") or {}).get("max_length")
    rows: list[tuple[str, object]] = [
        ("attention", design.attention),
        ("pooling", design.pooling),
        ("layer", "its own choice" if design.trainable else design.layer),
        ("first token", "left out" if design.skip_first else "counts"),
        ("query prompt", _quoted(design.query_prompt)),
        ("document prompt", _quoted(design.document_prompt)),
        ("longest text", f"{longest} tokens, EOS included" if longest else "not recorded"),
    ]
    return rows


def _quoted(prompt: str) -> str:
    """In quotation marks: a space at the end is part of a prompt."""
    return json.dumps(prompt, ensure_ascii=False) if prompt else "none"


def _data(data: Mapping[str, Any]) -> str:
    rows = [
        ("data", data.get("title") or data.get("id") or "not recorded"),
        ("source", data.get("source") or "not recorded"),
        ("licence", data.get("licence") or "not recorded"),
        ("pairs", data.get("pairs", "not recorded")),
        ("sha256", data.get("sha256") or "not recorded"),
        ("pairs removed because an evaluation corpus has them", data.get("removed", 0)),
    ]
    text = _table(("", ""), rows)
    if data.get("in_domain"):
        names = ", ".join(plain(name) for name in data["in_domain"])
        text += (
            f"\n\n**In-domain:** {names} has the same source as the training data, so its scores "
            "say less about other texts."
        )
    return text


def _training_rows(about: Mapping[str, Any]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("what was trained", about.get("mode", "not recorded")),
        ("steps", about.get("steps", "not recorded")),
        ("seed", about.get("seed", "not recorded")),
    ]
    if isinstance(about.get("seconds"), int | float):
        rows.append(("time", f"{about['seconds']:.0f} s"))
    told = {name for name, _ in rows} | {"mode"}
    rows += [(k, v) for k, v in (about.get("recipe") or {}).items() if k not in told]
    rows += [(f"{k} version", v) for k, v in (about.get("versions") or {}).items()]
    return rows


def _before_after(rows: list[Mapping[str, Any]]) -> str:
    cells = [
        (row["task"], row["measure"], row["n"], _score(row["before"]), _score(row["after"]))
        for row in rows
    ]
    return (
        _table(("task", "measure", "n", "before", "after"), cells)
        + "\n\nScores × 100 with their 95 % bootstrap intervals, on small fixed samples."
    )


def _score(triple: tuple[float | None, float | None, float | None]) -> str:
    """A score with its interval; both may be undefined, as of cosines that are all equal."""
    score, low, high = ("undefined" if value is None else f"{100 * value:.1f}" for value in triple)
    return score if None in triple else f"{score} ({low} to {high})"


def _table(header: tuple[str, ...], rows: Any) -> str:
    lines = [header, ("---",) * len(header)]
    body = [tuple(plain(cell) for cell in row) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [*lines, *body])
