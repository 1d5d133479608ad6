"""A made-up report with conclusions by the study's code; no number in it was measured."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from embedlab.study.definition import study_from
from embedlab.study.findings import report_of
from embedlab.study.folder import CellResult, StudyFolder
from embedlab.study.report import Report, RunFacts, TaskFacts

DESIGNS = ["M1", "M4", "M5", "causal/mean"]
TASKS = [("STS", f"sts-{i}", "spearman") for i in range(9)] + [("Clustering", "news", "v_measure")]
#: The worst that a name, a label or an error may hold.
HOSTILE = "<script>alert('${1}')</script>"


def study_folder(folder: Path, name: str = "made up") -> Path:
    """A study's folder as a run leaves it: two seeds, a yardstick, untrained ones, one failure."""
    rng = np.random.default_rng(0)
    study = study_from(
        {
            "name": name,
            "designs": DESIGNS,
            "seeds": [0, 1],
            "training": {"data": "stsb-train", "steps": 3},
            "untrained": True,
            "yardsticks": ["minilm"],
        }
    )
    tasks = [
        TaskFacts(id_, category, measure, f"The task {id_}", "made up", 20, "00ff")
        for category, id_, measure in TASKS
    ]
    facts = RunFacts(
        command="embedlab study made-up.yaml --out results",
        hardware="2 threads of a made-up CPU",
        backbone={"id": "tiny", "name": "tiny", "precision": "float32"},
        versions={"python": "3.11"},
        data={"title": "pairs", "pairs": 40, "removed": 2, "in_domain": [], "sha256": "aa"},
    )
    results = StudyFolder(study, folder)
    results.begin(tasks, facts)
    gold = rng.normal(size=20)
    for number, cell in enumerate(study.cells):
        values: dict[str, Any] = {"label": cell.label, "kind": cell.kind, "seed": cell.seed}
        values |= {"study": study.digest, "status": "done", "seconds": 1.5}
        if cell.kind == "trained":
            values["history"] = [[0, "contrastive", None, 0.0, 0.5]]
            values["history"] += [[i, "contrastive", 1.0 / i, 1e-4, None] for i in (1, 2, 3)]
        signal = 3.0 * (cell.kind == "trained") * (cell.label != "causal/eos")
        values["tasks"] = [_entry(measure, id_, signal, gold, rng) for _, id_, measure in TASKS]
        if number == len(study.cells) - 1:
            values |= {"status": "failed", "error": "The memory did not suffice."}
        results.save(CellResult.model_validate(values))
    return folder


def _entry(measure: str, id_: str, signal: float, gold: Any, rng: Any) -> dict[str, Any]:
    if measure == "spearman":
        values = signal * gold + rng.normal(size=len(gold))
        score = float(np.corrcoef(values.argsort().argsort(), gold.argsort().argsort())[0, 1])
        items = {"kind": "pairs", "values": values.tolist(), "gold": gold.tolist()}
    else:
        values = 0.3 + 0.02 * rng.random(50)
        score = float(values.mean())
        items = {"kind": "resamples", "values": values.tolist(), "gold": None}
    return {"id": id_, "score": score, "items": items}


@cache
def made_up(name: str = "made up") -> Report:
    """The report of :func:`study_folder`."""
    with TemporaryDirectory() as folder:
        return report_of(study_folder(Path(folder) / "study", name))
