"""The retrieve tab: one query, two ranked lists, and the scores over the corpus's queries."""

from __future__ import annotations

from typing import Any

import gradio as gr

from embedlab.progress import Progress
from embedlab.ui.shared import code, html
from embedlab.ui.shared.controls import Slider, code_block
from embedlab.ui.shared.parse import within
from embedlab.ui.shared.session import Action, Remembered, Updates, Values
from embedlab.ui.shared.view import Pair, View, Workbench

#: Queries of a corpus that the menu offers; the scores are over all of them.
OFFERED = 200


class RetrieveTab(View):
    """A query's results under both designs, and the scores over the corpus's queries."""

    id = "retrieve"
    title = "Retrieve"
    filtered = "Only these texts are ranked; the scores over the corpus's queries count all texts."

    def __init__(self, bench: Workbench) -> None:
        self.lab, self.asked = bench.lab, bench.query
        self.most = bench.lab.config.limits.max_results
        with gr.Row(equal_height=True):
            self.query = gr.Textbox(
                label="Query",
                placeholder="Write what you are looking for and press Enter",
                scale=5,
                min_width=240,
                elem_id="query",
            )
            self.k = Slider(1, self.most, value=10, step=1, label="Results", scale=2)
            self.search = gr.Button("Search", variant="primary", scale=1, min_width=110)
        self.own = gr.Dropdown(
            [], label="Or choose one of the corpus's queries", elem_id="own-queries"
        )
        self.lists = html.block(
            "lists", html.empty("Search, and the two ranked lists appear here side by side.")
        )
        self.scores = html.table_block("retrieval-scores")
        self.code = code_block("retrieve-code")
        # Queries that were not typed: another corpus replaces them by one of its own.
        self.suggested = Remembered(frozenset())
        self.inputs = [self.query, self.k]
        self.outputs = [self.query, self.own, self.lists, self.scores, self.code]
        self.actions = [
            Action(
                trigger=self.own.input,
                run=lambda values, *_: {self.query: values[self.own]},
                sets={self.query},
                inputs={self.own},
            )
        ]
        self.triggers = [self.search.click, self.query.submit, self.k.release]

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Both ranked lists and the scores."""
        query, suggested, queries = values[self.query], values[self.suggested], pair.corpus.queries
        if queries and (not query or (query in suggested and query not in queries)):
            query = queries[0]
        update: dict[Any, Any] = {
            self.query: query,
            self.asked: query,
            self.suggested: suggested | {query for query in [query] if query in queries},
            self.own: gr.update(
                choices=list(queries[:OFFERED]),
                value=query if query in queries[:OFFERED] else None,
                visible=bool(queries),
            ),
            self.code: code.view_code(pair, "retrieve", query=query or "what you are looking for"),
        }
        if query:
            k = int(within(values[self.k], "The number of results", 1, self.most))
            both = self.lab.retrieve(query, pair.a, pair.b, k, report, pair.rows)
            lists = map(html.RESULTS.hits, "AB", pair.names, both, "BA")
            update[self.lists] = html.side_by_side(*lists)
        else:
            update[self.lists] = html.empty(
                "This corpus has no queries of its own; write one and press Enter."
            )
        scores_a, scores_b = (
            self.lab.retrieval_scores(side.embedded, report) for side in pair.sides
        )
        update[self.scores] = html.retrieval_table(scores_a, scores_b, pair.caption("Retrieval"))
        return update
