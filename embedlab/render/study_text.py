"""The sentences of a study's report, and its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from embedlab.analysis.bootstrap import verdict
from embedlab.render.html import Macros, note, points
from embedlab.study.comparisons import DatasetComparison
from embedlab.study.report import Report, design_title


def verdict_lines(differences: Sequence[DatasetComparison]) -> Markup:
    """How many pairs are separable over datasets, what was detectable, and why not more."""
    if not differences:
        return note(["Fewer than two designs are measured, so nothing is compared."])
    n = sum(one.separable for one in differences)
    lines = [
        f"Over independent datasets {n} of {len(differences)} pairs of designs "
        f"{'is' if n == 1 else 'are'} {verdict(True)}, {len(differences) - n} {verdict(False)}."
    ]
    smallest = [
        one.detectable_difference for one in differences if one.detectable_difference is not None
    ]
    if smallest:
        lines.append(
            "The smallest difference that a test would detect four times in five: "
            f"{points(min(smallest))} to {points(max(smallest))} points, depending on the pair."
        )
    lines += dict.fromkeys(one.why for one in differences if one.why)
    return note(lines)


def headline(report: Report) -> str:
    """One line: backbone, designs, seeds, tasks, data, hardware."""
    backbone, data = report.facts.backbone or {}, report.facts.data or {}
    designs = {model.label for model in report.models if model.kind != "yardstick"}
    seeds = {seed for model in report.models for seed in model.seeds}
    parts = [
        backbone.get("name") or "",
        f"{len(designs)} designs",
        f"{len(seeds)} seed{'s' * (len(seeds) != 1)}" if seeds else "untrained",
        f"{len(report.tasks)} tasks in {len(report.categories)} categories",
        f"trained on {data['title']}" if data.get("title") else "",
        report.facts.hardware or "",
    ]
    return " · ".join(part for part in parts if part)


def facts_list(report: Report) -> Markup:
    """The settings of the study: everything needed to run it again."""
    facts = report.facts
    backbone, data = facts.backbone or {}, facts.data or {}
    recipe, versions = facts.recipe or {}, facts.versions or {}
    removed = data.get("removed")
    designs = dict.fromkeys(m.label for m in report.models if m.kind != "yardstick")
    rows = [
        ("Backbone", _joined(backbone, "id", "name", "source", "note", "precision", "device")),
        ("Designs", ", ".join(design_title(label) for label in designs)),
        ("Yardsticks", ", ".join(m.label for m in report.models if m.kind == "yardstick")),
        ("Training data", _joined(data, "id", "title", "source")),
        ("Training pairs", f"{data['pairs']:,}" if "pairs" in data else ""),
        (
            "Overlap check",
            "" if removed is None else f"{removed} pairs left out because they are in a task",
        ),
        ("Hash of the data", data.get("sha256") or ""),
        ("Recipe", ", ".join(f"{k} {v}" for k, v in recipe.items() if k != "seed")),
        ("Seeds", ", ".join(map(str, sorted({s for m in report.models for s in m.seeds})))),
        ("Hardware", facts.hardware or ""),
        ("Versions", ", ".join(f"{k} {v}" for k, v in versions.items())),
        ("Level of the tests", f"α = {report.alpha:g} after Holm's correction"),
        ("Command", facts.command or ""),
        ("Hash of the study", facts.digest or ""),
    ]
    return Macros("study.html").facts(rows)


def _joined(facts: Mapping[str, Any], *names: str) -> str:
    """The values there are, each once."""
    return " · ".join(dict.fromkeys(str(facts[name]) for name in names if facts.get(name)))
