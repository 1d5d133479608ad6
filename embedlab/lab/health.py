"""The health of a running deployment: its queues, loaded backbones, memory and caches.

It holds nothing about any user: no text, no name of a run, no session.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import psutil

from embedlab.lab.lab import Lab

MB = 10**6


def health(lab: Lab) -> dict[str, Any]:
    """Queue, memory, cache and what is loaded; all plain values, memory in MB (10⁶ bytes)."""
    limits, states = lab.config.limits, lab.states
    trainings = Counter(lab.runs.states)
    requests = states.hits + states.misses
    return {
        "status": "ok",
        "loaded": [
            {
                "backbone": backbone_id,
                "device": str(backbone.device),
                "precision": str(backbone.dtype).removeprefix("torch."),
                "waiting": len(backbone.owner),
            }
            for backbone_id, backbone in lab.models.items()
        ],
        "trainings": dict(sorted(trainings.items())),
        "memory_mb": {
            "process": psutil.Process().memory_info().rss // MB,
            "states": states.nbytes // MB,
            "states_budget": limits.state_cache_mb,
            "vectors": lab.results.used // MB,
            "vectors_budget": limits.vectors_mb,
        },
        "state_cache": {
            "texts": len(states),
            "hits": states.hits,
            "misses": states.misses,
            "hit_rate": round(states.hits / requests, 3) if requests else None,
        },
    }
