"""A made-up report with conclusions by the study's code; no number in it was measured."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from embedlab.analysis.item_comparisons import Items
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


#: What each choice of the made-up grid gains, in every score; the rest is noise.
GRID_GAINS = {"bidirectional": -0.2, "topic": 0.15, "mean": 0.05, "+centre": 0.1, "+filter2": 0.0}
GRID_SOURCES = 8


def grid_folder(folder: Path) -> Path:
    """A folder of 24 made-up designs on eight tasks of eight sources; a choice has one gain."""
    study = study_from(
        {
            "name": "grid",
            "grid": {
                "attention": ["causal", "bidirectional"],
                "template": ["", "topic"],
                "pooling": ["last", "mean"],
                "steps": ["", "+centre", "+filter2"],
            },
            "against": ["causal/eos", "causal/mean"],
            "yardsticks": ["minilm"],
        }
    )
    categories = ["STS", "Retrieval", "Classification", "Clustering"]
    measures = ["spearman", "ndcg_10", "accuracy", "v_measure"]
    tasks = [
        TaskFacts(f"task-{i}", categories[i // 2], measures[i // 2], f"Task {i}", "x", 9, "0")
        for i in range(GRID_SOURCES)
    ]
    results = StudyFolder(study, folder)
    results.begin(tasks, RunFacts(backbone={"id": "tiny", "name": "tiny", "precision": "float32"}))
    rng = np.random.default_rng(1)
    hardness = rng.uniform(0.3, 0.6, GRID_SOURCES)
    items = rng.normal(0, 0.05, (GRID_SOURCES, 40))
    for cell in study.cells:
        words = cell.label.replace("+", "/+").replace("?template=", "/").split("/")
        gain = sum(GRID_GAINS.get(word, 0.0) for word in words)
        entries = []
        for i, task in enumerate(tasks):
            values = hardness[i] + gain + items[i] + rng.normal(0, 0.01, 40)
            kept = {"kind": "means", "values": values.tolist(), "gold": None}
            entries.append({"id": task.id, "score": float(values.mean()), "items": kept})
        values = {"label": cell.label, "kind": cell.kind, "seed": cell.seed, "seconds": 1.0}
        values |= {"study": study.digest, "status": "done", "tasks": entries}
        results.save(CellResult.model_validate(values))
    return folder


#: A task of each category that ranks pairs, candidates or summaries, beside one that does not.
SEVEN = [
    ("STS", "sts", "spearman"),
    ("PairClassification", "pairs-a", "average_precision"),
    ("PairClassification", "pairs-b", "average_precision"),
    ("Reranking", "reranking", "map"),
    ("Summarization", "summaries", "spearman_by_text"),
]


def seven_folder(folder: Path) -> Path:
    """A folder of three made-up designs, of which ``causal/mean`` is the best on every task."""
    rng = np.random.default_rng(3)
    study = study_from({"name": "seven", "designs": ["M1", "causal/mean", "bidirectional/mean"]})
    tasks = [TaskFacts(id_, c, m, f"The task {id_}", "x", 9, "0") for c, id_, m in SEVEN]
    results = StudyFolder(study, folder)
    results.begin(tasks, RunFacts(backbone={"id": "tiny", "name": "tiny", "precision": "float32"}))
    labels, gold = (rng.random(60) > 0.5).astype(float), rng.normal(size=60)
    for cell in study.cells:
        gain = 2.0 if cell.label == "causal/mean" else 0.4
        entries: list[dict[str, Any]] = []
        for category, id_, _ in SEVEN:
            if category == "STS":
                items = {"kind": "pairs", "gold": gold.tolist()}
                items["values"] = (gain * gold + rng.normal(size=60)).tolist()
            elif category == "PairClassification":
                items = {"kind": "labelled", "gold": labels.tolist()}
                items["values"] = (gain * labels + rng.normal(size=60)).tolist()
            else:
                values = np.clip(0.3 + 0.1 * gain + 0.1 * rng.normal(size=30), 0, 1)
                items = {"kind": "means", "values": values.tolist(), "gold": None}
            score = Items(
                items["kind"],
                np.array([items["values"]]),
                None if items["gold"] is None else np.array(items["gold"]),
            ).score
            entry = {"id": id_, "score": score, "items": items}
            entries.append(entry | ({"also": {"mrr": 0.625}} if category == "Reranking" else {}))
        values = {"label": cell.label, "kind": cell.kind, "seed": cell.seed, "seconds": 1.0}
        values |= {"study": study.digest, "status": "done", "tasks": entries}
        results.save(CellResult.model_validate(values))
    return folder


@cache
def made_up_seven() -> Report:
    """The report of :func:`seven_folder`."""
    with TemporaryDirectory() as folder:
        return report_of(seven_folder(Path(folder) / "seven"))


@cache
def made_up_grid() -> Report:
    """The report of :func:`grid_folder`."""
    with TemporaryDirectory() as folder:
        return report_of(grid_folder(Path(folder) / "grid"))
