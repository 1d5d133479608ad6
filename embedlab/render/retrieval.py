"""Figures of retrieval: the judged queries by how much one design is better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from embedlab.render.style import DESIGN_A, DESIGN_B, GREY, FloatArray, finish, start, wrapped


def outcome_bars(queries: Sequence[str], a: FloatArray, b: FloatArray) -> go.Figure:
    """A bar for each of q queries: nDCG@10 ×100 under B less that under A, (q,) each.

    Blue where A is better, orange where B is; the tooltip has the query and both scores.
    """
    differences = 100 * (np.asarray(b, float) - np.asarray(a, float))
    n = len(queries)
    figure = start("B − A, query by query", f"n = {n:,} judged {'query' if n == 1 else 'queries'}")
    colours = [DESIGN_A if d < 0 else DESIGN_B if d > 0 else GREY for d in differences]
    figure.add_bar(
        x=np.arange(1, n + 1),
        y=differences,
        marker={"color": colours, "line": {"width": 0}},
        text=[wrapped(query, 42) for query in queries],
        textposition="none",
        customdata=np.round(100 * np.stack([a, b], axis=1), 1).tolist(),
        hovertemplate="%{text}<br>nDCG@10 A %{customdata[0]:.1f} · B %{customdata[1]:.1f}"
        "<extra></extra>",
    )
    figure.update_yaxes(zeroline=True, zerolinecolor=GREY)
    # Up to ten queries keep their width: one bar across the page says nothing.
    figure.update_xaxes(range=[0.4, max(n, 10) + 0.6], showgrid=False)
    figure.update_layout(bargap=0.15 if n <= 60 else 0)
    return finish(
        figure, x="Query, by B − A", y="nDCG@10 ×100, B − A", height=300, margin_b=60, margin_t=64
    )
