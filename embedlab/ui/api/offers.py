"""The endpoint ``/offers``: what this deployment has, for a client that does not know it yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from embedlab.data.corpora import CORPORA
from embedlab.lab.lab import Lab
from embedlab.models.attention import ATTENTION_MODES
from embedlab.models.design import PRESET_GROUPS
from embedlab.models.pooling import POOLINGS
from embedlab.models.steps import STEPS
from embedlab.models.template import TEMPLATES


def offers_endpoint(lab: Lab) -> Callable[..., dict[str, Any]]:
    """``/offers``."""

    def offers() -> dict[str, Any]:
        """What there is here: the corpora, the backbones, and what designs are made of.

        Returns:
            default_backbone, backbones (id, title), corpora (id, title, what it offers), presets
            (designs by name), and attentions, poolings, steps and templates, whose names a design
            is written with.
        """
        config = lab.config
        return {
            "default_backbone": lab.default_backbone,
            "backbones": [{"id": e.id, "title": e.title or e.id} for e in config.backbones],
            "corpora": [
                {"id": key, "title": CORPORA[key].title, "offers": CORPORA[key].offers}
                for key in config.corpora
            ],
            "presets": {
                name: str(design)
                for group in PRESET_GROUPS.values()
                for name, design in group.items()
            },
            "attentions": list(ATTENTION_MODES),
            "poolings": list(POOLINGS),
            "steps": [f"+{word}{'N' if number else ''}" for word, (_, number) in STEPS.items()],
            "templates": {name: template.title for name, template in TEMPLATES.items()},
        }

    return offers
