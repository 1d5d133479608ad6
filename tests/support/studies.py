"""A study of a tiny model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from embedlab.study.findings import report_of

SMALL: dict[str, Any] = {
    "designs": ["M1", "M5", "causal/mean"],
    "seeds": [0, 1],
    "training": {
        "data": "stsb-train",
        "mode": "lora",
        "steps": 4,
        "batch": 4,
        "max_pairs": 40,
        "held_out": 4,
        "evaluate_every": 2,
    },
    "tasks": ["stsb", "semanlink", "trec-coarse"],
    "sizes": {"STS": 6, "Retrieval": 4, "Classification": 40},
    "words": 6,
}
#: With a clustering besides, whose k-means take more time than all the rest.
CLUSTERED = SMALL | {
    "tasks": [*SMALL["tasks"], "trec-clusters"],
    "sizes": {**SMALL["sizes"], "Clustering": 24},
}


def findings(folder):
    """The report without what a clock says."""
    report = report_of(folder)
    facts = report.facts.model_copy(update={"command": None})
    ran = tuple(replace(cell, seconds=None) for cell in report.ran)
    return replace(report, ran=ran, facts=facts)
