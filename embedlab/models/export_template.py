"""Texts inside templates, for sentence-transformers; this file travels beside the weights.

It needs torch and sentence-transformers alone. ``TemplateTransformer`` puts each text into the
templates of its side, query or document, finds the text's own tokens, and cuts the text, never
what stands around it. ``MeanOfTemplates`` averages the vectors of a text's templates.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.modules.module import Module
from sentence_transformers.base.modules.transformer import Transformer

if TYPE_CHECKING:
    from typing import Self

#: Beside the weights: for ``query`` and ``document`` the templates, each the parts around the text.
FILE = "templates.json"
_WHERE = ("subfolder", "token", "cache_folder", "revision", "local_files_only")


class TemplateTransformer(Transformer):
    """The backbone, which reads every text inside a template.

    A text is a query where ``encode_query`` is called, or the prompt named ``query`` is given; else
    it is a document.
    """

    templates: dict[str, Any]

    @classmethod
    def load(cls, model_name_or_path: str, *args: Any, **options: Any) -> Self:
        """Read the model, the tokenizer and the templates from a folder or a Hub repository."""
        module = super().load(model_name_or_path, *args, **options)
        where = {name: options[name] for name in _WHERE if name in options}
        module.templates = cls.load_config(model_name_or_path, config_filename=FILE, **where)
        return module

    def save(self, output_path: str, *args: Any, **options: Any) -> None:
        """Write the model, the tokenizer, the templates and the code."""
        super().save(output_path, *args, **options)
        text = json.dumps(self.templates, ensure_ascii=False, indent=2)
        Path(output_path, FILE).write_text(text + "\n", encoding="utf-8")
        shutil.copy(__file__, output_path)

    def preprocess(
        self, inputs: Any, prompt: str | None = None, processing_kwargs: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Texts to padded ids: a row for each text and template, a text's templates together."""
        query = kwargs.get("task") == "query" or prompt == self.templates["query_prompt"]
        templates = self.templates["query" if query else "document"]
        rows, own = [], []
        for text in inputs:
            for parts in templates:
                ids, place = self._fitted(text, parts)
                rows.append(ids)
                own.append(place)
        padded = self._tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        mask = torch.zeros_like(padded["attention_mask"])
        for row, (start, stop) in zip(mask, own, strict=True):
            row[start:stop] = 1
        return {
            "input_ids": padded["input_ids"],
            "attention_mask": padded["attention_mask"],
            "modality": "text",
            "text_mask": mask,
            "templates": torch.tensor(len(templates)),
        }

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """One pass; afterwards the mask shows the tokens that are pooled."""
        text_mask, templates = features.pop("text_mask"), features.pop("templates")
        features = super().forward(features, **kwargs)
        if self.templates["pool_text"]:
            features["attention_mask"] = text_mask
        return features | {"templates": templates}

    @property
    def _tokenizer(self) -> Any:
        return self.tokenizer

    def _fitted(self, text: str, parts: list[str]) -> tuple[list[int], tuple[int, int]]:
        """Ids, and where the tokens of the text's last copy begin and end among them."""
        end_token = self.templates["end"]
        longest, copies = int(self.max_seq_length or 0), len(parts) - 1
        text = text[: 32 * longest]
        ids, offsets = self._tokens(text.join(parts))
        while len(ids) + len(end_token) > longest:
            own = _touching(offsets, len(parts[0]), len(text))
            surplus = -(-(len(ids) + len(end_token) - longest) // copies)
            kept = own[: max(0, len(own) - surplus)]
            end = offsets[kept[-1]][1] - len(parts[0]) if kept else 0
            text = text[: min(end, len(text) - 1)]
            if not text.strip():
                raise ValueError("The template leaves no room for the text.")
            ids, offsets = self._tokens(text.join(parts))
        start = sum(map(len, parts[:-1])) + (copies - 1) * len(text)
        own = _own(offsets, start, len(text), text.join(parts)) or [0]
        return ids + end_token, (own[0], own[-1] + 1)

    def _tokens(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids and offsets, without the end that this tokenizer appends."""
        answer = self._tokenizer(text, return_offsets_mapping=True, truncation=False, verbose=False)
        ids, offsets = list(answer["input_ids"]), list(answer["offset_mapping"])
        added = self.templates["added"]
        if added and ids[-len(added) :] == added:
            ids, offsets = ids[: -len(added)], offsets[: -len(added)]
        return ids, offsets


class MeanOfTemplates(Module):
    """The mean of the vectors of a text's templates, (n · m, d) to (n, d)."""

    config_keys: list[str] = []  # noqa: RUF012

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Average ``sentence_embedding``; it is to be normalised before and after."""
        vectors, templates = features["sentence_embedding"], int(features["templates"])
        features["sentence_embedding"] = vectors.unflatten(0, (-1, templates)).mean(dim=1)
        return features

    def save(self, output_path: str, *args: Any, **options: Any) -> None:
        """Write the settings; the code stands beside the model already."""
        self.save_config(output_path)


def _own(offsets: Any, start: int, length: int, whole: str) -> list[int]:
    """The tokens of the text at ``start`` that hold nothing but spaces of the template."""
    touching, end = _touching(offsets, start, length), start + length
    own = [
        i
        for i in touching
        if not whole[offsets[i][0] : start].strip() and not whole[end : offsets[i][1]].strip()
    ]
    return own or touching


def _touching(offsets: Any, start: int, length: int) -> list[int]:
    """The tokens with at least one character of the text that stands at ``start``."""
    return [i for i, (a, b) in enumerate(offsets) if a < start + length and b > start and b > a]
