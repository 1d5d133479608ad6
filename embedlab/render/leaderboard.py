"""A leaderboard for readers: its table as HTML, CSV and JSON, and the matrix of agreement."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from embedlab.analysis import metrics
from embedlab.analysis.agreement import Agreement
from embedlab.analysis.bootstrap import verdict
from embedlab.analysis.leaderboard import FRACTIONS, LABEL_FREE, MEASURES, Ranking, Row, Score
from embedlab.render.html import Macros
from embedlab.render.style import finish, heatmap, plotly_text
from embedlab.text import shorten

_MACROS = Macros("leaderboard.html")
#: The answer in words, and the designs that are not in a table.
answer_html, left_out_html = _MACROS.answer, _MACROS.left_out
#: The two matrices by the names under which a page offers them.
OVERLAP, CKA = "Neighbours in common", "Linear CKA"
#: Characters of a design's name beside the matrix.
_NAME = 30


def shown(measure: str, value: float | None, *, sign: bool = False) -> str:
    """A score for readers: fractions ×100 with one decimal, others with two; a dash for none."""
    if value is None or not math.isfinite(value):
        return "–"
    number, digits = (100 * value, 1) if measure in FRACTIONS else (value, 2)
    return f"{number:+.{digits}f}" if sign else f"{number:.{digits}f}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """What the table shows of a row.

    ``cells`` are each measure's score and interval, the one that leads first; ``bar`` is where the
    interval begins, how long it is and where the score stands, in per cent of the widest range.
    ``difference``, ``verdict`` and ``hint`` are about the best.
    """

    number: int
    row: Row
    sides: str
    cells: list[tuple[str, str]]
    bar: tuple[float, float, float] | None
    difference: str
    verdict: str
    hint: str
    seconds: str
    note: str
    best: bool


def table_html(
    ranked: Ranking,
    measures: Sequence[str],
    sides: Mapping[str, str],
    caption: str,
    *,
    finished: bool = True,
) -> Markup:
    """The table, the best first.

    Args:
        ranked: the rows by the measure that leads.
        measures: all that there are.
        sides: ``A``, ``B`` or ``AB`` by the names of their rows.
        caption: what was measured on what.
        finished: whether all rows are there, so that the table can be saved.
    """
    order = [ranked.measure, *(m for m in measures if m != ranked.measure)]
    heads = [MEASURES[m] + (" ×100" if m in FRACTIONS else "") for m in order]
    return _MACROS.table(heads, lines_of(ranked, measures, sides), caption, finished)


def lines_of(
    ranked: Ranking, measures: Sequence[str], sides: Mapping[str, str] | None = None
) -> list[Line]:
    """The rows as they are shown, the leading measure first in each."""
    order = [ranked.measure, *(m for m in measures if m != ranked.measure)]
    leading = [row.scores[order[0]] for row in ranked.rows if order[0] in row.scores]
    ends = [end for one in leading for end in (one.low, one.high) if math.isfinite(end)]
    limits = (min(ends), max(ends)) if ends else (0.0, 0.0)
    lines = []
    for number, row in enumerate(ranked.rows, start=1):
        difference, words, hint = _standing(ranked, row)
        lines.append(
            Line(
                number=number,
                row=row,
                sides=(sides or {}).get(row.name, ""),
                cells=[_cell(measure, row.scores.get(measure)) for measure in order],
                bar=_bar(row.scores.get(order[0]), *limits),
                difference=difference,
                verdict=words,
                hint=hint,
                seconds=seconds(row),
                note=note(row),
                best=ranked.best is not None and row.name == ranked.best.name,
            )
        )
    return lines


def _cell(measure: str, score: Score | None) -> tuple[str, str]:
    if score is None:
        return "–", ""
    ends = shown(measure, score.low), shown(measure, score.high)
    return shown(measure, score.score), "" if "–" in ends else f"{ends[0]} … {ends[1]}"


def _bar(score: Score | None, low: float, high: float) -> tuple[float, float, float] | None:
    if score is None or not math.isfinite(score.low) or high <= low:
        return None

    def place(value: float) -> float:
        return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 1)

    return place(score.low), round(place(score.high) - place(score.low), 1), place(score.score)


def _standing(ranked: Ranking, row: Row) -> tuple[str, str, str]:
    """The difference from the best, the verdict, and its explanation."""
    if ranked.best is not None and row.name == ranked.best.name:
        best = "proposed" if ranked.measure in LABEL_FREE else "the best"
        return "", best, "the best of the designs that can be proposed"
    there = ranked.standings.get(row.name)
    if there is None:
        return "", "", ""
    difference = shown(ranked.measure, -there.loss, sign=True)
    if there.p is None:
        return difference, "", "this measure has no paired test"
    hint = f"p {there.p:.2g} after Holm's correction"
    if there.low is not None and there.high is not None:
        ends = (shown(ranked.measure, -end, sign=True) for end in (there.high, there.low))
        hint = f"{' … '.join(ends)}, {hint}"
    return difference, verdict(bool(there.separable)), hint


def seconds(row: Row) -> str:
    """A row's seconds; ``≈`` where they are estimated, a dash where they are unknown."""
    if row.cost.seconds is None:
        return "–"
    return f"{'≈ ' if row.cost.estimated else ''}{row.cost.seconds:.1f}"


def csv_rows(ranked: Ranking, measures: Sequence[str]) -> tuple[list[str], list[list[Any]]]:
    """A header and rows for :func:`~embedlab.render.csv_table.csv_table`."""
    header = ["rank", "design", "model"]
    for measure in measures:
        header += [measure, f"{measure} low", f"{measure} high"]
    header += ["below the best", "p (Holm)", "separable", "passes", "tokens", "seconds"]
    header += ["estimated", "dimension", "note"]
    rows = []
    for number, row in enumerate(ranked.rows, start=1):
        line: list[Any] = [number, row.design or row.name, row.model]
        for measure in measures:
            there = row.scores.get(measure)
            line += ["", "", ""] if there is None else [there.score, there.low, there.high]
        standing = ranked.standings.get(row.name)
        line += ["", "", ""] if standing is None else _tested(standing)
        cost = row.cost
        known = "" if cost.seconds is None else cost.seconds
        line += [cost.passes, cost.tokens, known, "yes" if cost.estimated else "", cost.dimension]
        rows.append([*line, note(row)])
    return header, rows


def _tested(standing: Any) -> list[Any]:
    p = "" if standing.p is None else standing.p
    words = {True: "yes", False: "no", None: ""}[standing.separable]
    return [standing.loss, p, words]


def note(row: Row) -> str:
    """What limits a row's numbers."""
    return "; ".join(filter(None, ["untrained (random)" if row.untrained else "", row.note]))


def as_json(
    ranked: Ranking, measures: Sequence[str], agreement: Agreement | None, words: Sequence[str]
) -> dict[str, Any]:
    """The table as plain values; null where a number is not defined."""
    rows = []
    for number, row in enumerate(ranked.rows, start=1):
        standing = ranked.standings.get(row.name)
        rows.append(
            {
                "rank": number,
                "name": row.name,
                "design": row.design,
                "model": row.model,
                "scores": {m: _plain(row.scores[m]) for m in measures if m in row.scores},
                "loss": standing and standing.loss,
                "loss_interval": standing and [standing.low, standing.high],
                "p": standing and standing.p,
                "separable": standing and standing.separable,
                "passes": row.cost.passes,
                "tokens": row.cost.tokens,
                "seconds": row.cost.seconds and round(row.cost.seconds, 3),
                "estimated": row.cost.estimated,
                "dimension": row.cost.dimension,
                "note": note(row),
            }
        )
    result: dict[str, Any] = {
        "measure": ranked.measure,
        "label_free": ranked.measure in LABEL_FREE,
        "best": ranked.best and ranked.best.name,
        "answer": list(words),
        "rows": rows,
    }
    if agreement is not None:
        matrices = {"neighbour_overlap": agreement.overlap, "linear_cka": agreement.cka}
        result["agreement"] = {"texts": len(agreement.rows), "names": list(agreement.names)} | {
            name: [[_number(value) for value in line] for line in matrix.round(4).tolist()]
            for name, matrix in matrices.items()
        }
    return result


def _plain(score: Score) -> dict[str, Any]:
    return {
        "score": _number(score.score),
        "low": _number(score.low),
        "high": _number(score.high),
        "n": score.n,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def agreement_order(agreement: Agreement) -> list[int]:
    """The order that puts designs with the same neighbours beside each other."""
    order: list[int] = metrics.cluster_order(agreement.overlap).tolist()
    return order


def agreement_heatmap(
    agreement: Agreement, which: str, places: Mapping[str, int], known: Collection[str] = ()
) -> go.Figure:
    """How far every pair of designs agrees, ×100.

    Args:
        agreement: over all rows of a table.
        which: :data:`OVERLAP` or :data:`CKA`.
        places: the place of each row in the table by its name.
        known: names to be marked, such as A's and B's.
    """
    order = agreement_order(agreement)
    matrix = 100 * (agreement.cka if which == CKA else agreement.overlap)[np.ix_(order, order)]
    names = [agreement.names[i] for i in order]
    full = [f"{places.get(name, 0)}. {plotly_text(name)}" for name in names]
    short = [f"{plotly_text(shorten(name, _NAME))}  {places.get(name, 0)}" for name in names]
    unit = "CKA ×100" if which == CKA else "overlap ×100"
    figure = heatmap(
        which,
        f"{len(names)} designs, {len(agreement.rows):,} texts",
        unit,
        z=matrix,
        x=full,
        y=full,
        zmin=0,
        zmax=100,
        colorscale="Cividis",
        hovertemplate="%{z:.1f}<br>%{y}<br>%{x}<extra></extra>",
    )
    ticks = {"tickmode": "array", "tickvals": full, "type": "category"}
    bold = [f"<b>{text}</b>" if n in known else text for n, text in zip(names, short, strict=True)]
    figure.update_yaxes(**ticks, ticktext=bold, autorange="reversed", tickfont={"size": 10})
    numbers = [str(places.get(name, 0)) for name in names]
    figure.update_xaxes(**ticks, ticktext=numbers, tickfont={"size": 9}, tickangle=0)
    height = 190 + 15 * len(names)
    margin = {"l": 200, "r": 12, "b": 96}
    return finish(figure, x="Place in the table", height=height, margin=margin)


def agreement_rows(agreement: Agreement) -> list[tuple[str, str, float, float]]:
    """Each pair of designs once, with both numbers, for a CSV."""
    overlap, cka, names = agreement.overlap, agreement.cka, agreement.names
    return [
        (names[i], names[j], float(overlap[i, j]), float(cka[i, j]))
        for i in range(len(names))
        for j in range(i)
    ]
