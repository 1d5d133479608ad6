"""The retrieve tab: one query, two ranked lists, what differs, judgements, and the scores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from markupsafe import Markup

from embedlab.analysis.comparison import Hit
from embedlab.child_process import in_child_process
from embedlab.data.corpus import grades_of
from embedlab.data.marks import Marks, ReadMarks, judged, marked, qrels, read_marks, with_read
from embedlab.data.prepared import NoQueryVectors
from embedlab.errors import EmbedLabError
from embedlab.lab import retrieving
from embedlab.lab.address import Address
from embedlab.lab.retrieving import Answer
from embedlab.models.design import PRESET_GROUPS, Design
from embedlab.progress import Progress
from embedlab.render import look_for
from embedlab.render.html import Macros, points
from embedlab.render.retrieval import outcome_bars
from embedlab.text import one_line
from embedlab.ui.shared import code, html
from embedlab.ui.shared.controls import ChangingDropdown, Slider, code_block
from embedlab.ui.shared.figure import clicked, figure_block, figure_value
from embedlab.ui.shared.parse import event_data, within
from embedlab.ui.shared.session import Action, Change, Remembered, Updates, Values, sentence
from embedlab.ui.shared.view import Pair, Side, View, Workbench

#: Queries of a corpus that the menu offers; the scores are over all of them.
OFFERED = 200
#: Of the designs that are asked together: results of each, and texts that are listed.
ASKED_K, LISTED = 10, 40
#: Queries in the lists of wins.
WON = 50
RETRIEVE = Macros("retrieve.html")


class RetrieveTab(View):
    """A query's results under both designs, and the scores over the corpus's queries."""

    id = "retrieve"
    title = "Retrieve"
    at_once = True
    filtered = "Only these texts are ranked; the scores over the corpus's queries count all texts."

    def __init__(self, bench: Workbench) -> None:
        self.lab, self.sidebar, self.asked = bench.lab, bench.sidebar, bench.query
        self.limits = bench.lab.config.limits
        with gr.Row(equal_height=True):
            self.query = gr.Textbox(
                label="Query",
                placeholder="Write what you are looking for and press Enter",
                scale=5,
                min_width=240,
                elem_id="query",
            )
            self.k = Slider(1, self.limits.max_results, value=10, step=1, label="Results", scale=2)
            self.search = gr.Button("Search", variant="primary", scale=1, min_width=110)
        self.own = ChangingDropdown(
            [], label="Or choose one of the corpus's queries", elem_id="own-queries"
        )
        self.lists = html.picking_block(
            "lists", html.empty("Search, and the two ranked lists appear here side by side.")
        )
        self.differs = html.block("differs")
        with gr.Row(equal_height=False):
            self.this_query = html.table_block("query-scores")
            self.scores = html.table_block("retrieval-scores")
        with gr.Row():
            self.save = gr.Button("Save judgements (qrels)", size="sm", elem_id="save-qrels")
            self.load = gr.UploadButton("Load judgements", size="sm", elem_id="load-qrels")
        with gr.Accordion("Query by query: wins and losses", open=True):
            self.bars = figure_block("outcomes", "The judged queries appear here, one by one.")
            self.won = html.picking_block("won")
        self.everywhere = gr.Checkbox(False, label="Ask all presets too", elem_id="ask-all")
        self.table = html.block("everywhere")
        self.file = html.saver()
        self.code = code_block("retrieve-code")
        # Queries that were not typed: another corpus replaces them by one of its own.
        self.suggested = Remembered(frozenset())
        self.shown = Remembered()  # the choice that is drawn
        # The query that is drawn with its texts by number, and the queries of the wins in order:
        # what is judged or chosen there is what was on the screen.
        self.listed, self.order = Remembered(("", {})), Remembered(())
        self.marks = Remembered({})
        self.remembered = [self.marks]
        self.inputs = [self.query, self.k, self.everywhere]
        self.linked, self.link_sets = {"k": self.k}, [self.query]
        self.outputs = [
            *(self.query, self.own, self.lists, self.differs, self.this_query, self.scores),
            *(self.bars, self.won, self.table, self.file, self.code),
        ]
        self.actions = [
            Action(
                # A pick alone: `input` also tells that the list is left, as somebody types a query.
                trigger=self.own.select,
                run=lambda values, *_: {self.query: values[self.own]},
                sets={self.query},
                inputs={self.own},
            ),
            Action(trigger=self.lists.pick, run=self._judge),
            Action(trigger=self.load.upload, run=self._load, inputs={self.load}),
            Action(trigger=self.won.pick, run=self._pick, sets={self.query}),
            Action(trigger=self.bars.point_click, run=self._pick, sets={self.query}),
        ]
        self.triggers = [
            *(self.search.click, self.query.submit, self.k.release, self.everywhere.input)
        ]
        self.on(bench, self.save.click, self._save, shown=self.shown)

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """Both ranked lists, what differs, and the scores, with the judgements made by hand."""
        choice, marks = pair.choice, _askable(values[self.marks], pair)
        own, corpus = pair.corpus.queries, judged(pair.corpus, marks)
        pair = replace(
            pair, corpus=corpus, a=replace(pair.a, corpus=corpus), b=replace(pair.b, corpus=corpus)
        )
        query, suggested, queries = values[self.query], values[self.suggested], corpus.queries
        if own and (not query or (query in suggested and query not in own)):
            query = own[0]
        update: dict[Any, Any] = {
            self.query: query,
            self.shown: choice,
            self.asked: query,
            self.suggested: suggested | {query for query in [query] if query in own},
            self.own: gr.update(
                choices=list(queries[:OFFERED]),
                value=query if query in queries[:OFFERED] else None,
                visible=bool(queries),
            ),
            self.code: code.view_code(pair, "retrieve", query=query or "what you are looking for"),
        }
        if query:
            k = int(within(values[self.k], "The number of results", 1, self.limits.max_results))
            update |= self._lists(pair, query, k, marks, report)
        else:
            update |= {
                self.lists: html.empty(
                    "This corpus has no queries of its own; write one and press Enter."
                ),
                **dict.fromkeys((self.differs, self.this_query), ""),
                self.listed: ("", {}),
            }
        return (
            update
            | self._scores(pair, query, marks, report)
            | self._outcomes(pair, report)
            | {self.table: self._everywhere(pair, query, values, report)}
        )

    # Links

    def address(self, pair: Pair, values: Values, *, is_open: bool) -> dict[str, Any]:
        """The query, unless it is the corpus's first, which is there by itself."""
        if not is_open:
            return {}
        query, own = one_line(values[self.query] or ""), pair.corpus.queries
        is_first = bool(own) and query == one_line(own[0])
        return {"q": query} if query and not is_first else {}

    def follow_link(
        self, address: Address, values: Values, said: list[str], *, is_open: bool
    ) -> Updates:
        """A link's query is as good as one that was typed."""
        return {} if address.q is None else {self.query: address.q}

    # What is shown

    def _lists(self, pair: Pair, query: str, k: int, marks: Marks, report: Progress) -> Updates:
        of_query = marks.get(query, {})

        def judge(hit: Hit) -> Markup:
            return RETRIEVE.judge(hit.id, hit.relevant, of_query.get(hit.text))

        try:
            both = self.lab.retrieve(query, pair.a, pair.b, k, report, pair.rows)
        except NoQueryVectors:
            return self._one_list(pair, query, k, judge, report)
        lists = [
            html.RESULTS.hits(letter, name, hits, other, judge)
            for letter, name, hits, other in zip("AB", pair.names, both, "BA", strict=True)
        ]
        ids = [{hit.id for hit in hits} for hits in both]
        alone = [[hit for hit in both[i] if hit.id not in ids[1 - i]] for i in (0, 1)]
        panels = [
            RETRIEVE.only(letter, hits, other, len(both[0]))
            for letter, hits, other in zip("AB", alone, "BA", strict=True)
        ]
        shown: dict[int, str] = {hit.id: hit.text for hit in [*both[0], *both[1]]}
        return {
            self.lists: html.look_for(look_for.ranked_lists(*both, _relevant(query, pair)))
            + html.note(self._approximate(pair, pair.sides, report))
            + html.side_by_side(*lists),
            self.differs: RETRIEVE.differs(len(ids[0] & ids[1]), len(both[0]), *panels),
            self.listed: (query, shown),
        }

    def _approximate(self, pair: Pair, sides: Sequence[Side], report: Progress) -> list[str]:
        """How sides are searched whose texts are too many to compare all of them."""
        if pair.rows is not None:
            return []
        indexes = [(side.letter, self.lab.index(side.embedded, report)) for side in sides]
        return [f"{letter}: {index.facts}" for letter, index in indexes if index is not None]

    def _one_list(
        self, pair: Pair, query: str, k: int, judge: Callable[[Hit], Markup], report: Progress
    ) -> Updates:
        """Where vectors from a file have none of the query: why, and the other design's list."""
        panels: list[Markup] = []
        said: list[str] = []
        shown: dict[int, str] = {}
        for side in pair.sides:
            embedded = side.embedded
            try:
                hits, _ = self.lab.retrieve(query, embedded, embedded, k, report, pair.rows)
            except NoQueryVectors as error:
                panels.append(RETRIEVE.unasked(side.letter, side.name, str(error)))
                continue
            panels.append(html.RESULTS.hits(side.letter, side.name, hits, "", judge))
            shown |= {hit.id: hit.text for hit in hits}
            said += self._approximate(pair, (side,), report)
        return {
            self.lists: html.note(said) + html.side_by_side(*panels),
            self.differs: "",
            self.listed: (query, shown),
        }

    def _scores(self, pair: Pair, query: str, marks: Marks, report: Progress) -> Updates:
        """The scores of this query and those over all queries."""
        a, b = (self.lab.retrieval_scores(side.embedded, report) for side in pair.sides)
        update: Updates = {
            self.scores: html.retrieval_table(a, b, pair.caption("Retrieval")),
            self.this_query: "",
        }
        corpus = pair.corpus
        number = corpus.queries.index(query) if query in corpus.queries else None
        by_hand = len({*corpus.texts} & marks.get(query, {}).keys())
        relevant = len(grades_of(corpus.relevant[number])) if number is not None else 0
        if relevant and a is not None and b is not None:
            caption = (
                f"This query: {relevant:,} of {len(corpus.texts):,} texts known to be relevant"
                f"{f', {by_hand:,} judged by hand' if by_hand else ''}, ×100"
            )
            update[self.this_query] = html.score_table(
                [
                    (title, float(a.per_query[name][number]), float(b.per_query[name][number]))
                    for name, title in html.RETRIEVAL.items()
                ],
                caption,
                measured_on=pair.caption("One query"),
            )
        elif lines := _unscored(pair):
            update |= {self.scores: html.note(lines), self.this_query: ""}
        elif query:
            update[self.this_query] = html.muted(
                "No text is known to be relevant to this query; mark some with ✓ in the lists, and "
                "nDCG follows."
            )
        return update

    def _outcomes(self, pair: Pair, report: Progress) -> Updates:
        found = retrieving.outcomes(self.lab, pair.a, pair.b, report)
        if found is None:
            return {self.bars: None, self.won: "", self.order: ()}
        queries = [pair.corpus.queries[i] for i in found.queries.tolist()]
        wins_a, wins_b, equal = found.wins
        mean = float(found.differences.mean())
        interval = (
            f" [{points(found.low, sign=True)} … {points(found.high, sign=True)}]"
            if np.isfinite(found.low)
            else ""
        )
        said = (
            f"{len(queries):,} judged queries: B is better on {wins_b:,}, A on {wins_a:,}, equal "
            f"on {equal:,}; mean B − A {points(mean, sign=True)}{interval}"
        )
        rows = list(zip(queries, found.a.tolist(), found.b.tolist(), strict=True))
        numbered = [(i, *row) for i, row in enumerate(rows)]
        lists = (
            RETRIEVE.won("A", "better under A", numbered[:wins_a][:WON]),
            RETRIEVE.won("B", "better under B", numbered[::-1][:wins_b][:WON]),
        )
        return {
            self.bars: figure_value(
                outcome_bars(queries, found.a, found.b),
                ("query", "nDCG@10 A", "nDCG@10 B"),
                rows,
                name="query-by-query",
                caption=pair.caption(said),
                look=look_for.outcomes(found.wins, mean, found.low, found.high),
            ),
            self.won: html.side_by_side(*lists),
            self.order: tuple(queries),
        }

    def _everywhere(self, pair: Pair, query: str, values: Values, report: Progress) -> str:
        """The query under all presets, if that was asked for: texts by who finds them."""
        if not values[self.everywhere] or not query:
            return ""
        presets = {key: each for group in PRESET_GROUPS.values() for key, each in group.items()}
        files = (Design(file=name) for name in pair.corpus.prepared)
        presets |= {str(each): each for each in files}
        letters = {str(side.design): side.letter for side in pair.sides}
        mine = {f"{side.letter}: {side.design.name}": side.design for side in pair.sides}
        known = {str(each) for each in presets.values()}
        designs = {name: each for name, each in mine.items() if str(each) not in known} | presets
        side = next((each for each in pair.sides if not each.design.file), pair.sides[0])
        backbone_id = "" if side.design.file else side.backbone_id
        found = retrieving.answers(
            *(self.lab, query, pair.corpus, designs, backbone_id, ASKED_K),
            rows=pair.rows,
            progress=report,
        )
        refused = [f"{answer.name}: {answer.reason}" for answer in found if answer.reason]
        there = [answer for answer in found if not answer.reason]
        if not there:
            return html.note(refused)
        columns = [
            (
                answer.name,
                f"{letters[str(answer.design)]} · "
                if str(answer.design) in letters and answer.name in presets
                else "",
                "" if answer.ndcg is None else points(answer.ndcg),
            )
            for answer in there
        ]
        texts, queries = pair.corpus.texts, pair.corpus.queries
        relevant = pair.corpus.relevant[queries.index(query)] if query in queries else ()
        rows, more = _by_finders(there, texts, relevant)
        table = RETRIEVE.everywhere(columns, rows, ASKED_K, more)
        model = "" if pair.one_backbone else f"All on {side.letter}'s model, {side.backbone.name}."
        return table + html.note([*refused, *([model] if model else [])])

    # What is done

    def _judge(self, values: Values, _: Progress, event: gr.EventData) -> Updates:
        """A press on ✓ or ✗: a judgement of the query that is shown."""
        sent, (query, texts) = event_data(event), values[self.listed]
        index, grade = sent.get("index"), sent.get("grade")
        if type(index) is not int or index not in texts or grade not in (0, 1):
            return {}
        text = texts[index]
        return {self.marks: Change(lambda marks: marked(marks, query, text, float(grade)))}

    def _load(self, values: Values, report: Progress, _: gr.EventData) -> Updates:
        """Judgements from a file, for the corpus that the sidebar names."""
        if not values[self.load]:
            return {}
        plain = in_child_process(read_marks, Path(values[self.load]), bounds=self.limits.reading)
        read, corpus = ReadMarks(**plain), self.sidebar.whole(values, report)
        marks, said = with_read(values[self.marks], read, corpus)
        if marks == values[self.marks] and said.startswith("0 "):
            raise EmbedLabError(said)
        gr.Info(**sentence(EmbedLabError(said)) | {"title": "Judgements"})
        return {
            self.marks: Change(lambda old: with_read(old, read, corpus)[0]),
        }

    def _pick(self, values: Values, _: Progress, event: gr.EventData) -> Updates:
        """A query of the wins, from its list or its bar."""
        index, order = event_data(event).get("index"), values[self.order]
        if index is None and (bar := clicked(event)) is not None and isinstance(bar[1], int):
            index = bar[1] - 1
        sound = type(index) is int and 0 <= index < len(order)
        return {self.query: order[index]} if sound else {}

    def _save(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        text = qrels(pair.corpus, values[self.marks])
        if text.count("\n") < 2:
            raise EmbedLabError(
                "There is no judgement to save; mark texts in the lists as relevant or not."
            )
        return {
            self.file: html.saved_bytes("qrels.tsv", text.encode(), "text/tab-separated-values")
        }


def _relevant(query: str, pair: Pair) -> int:
    """How many texts are known to answer a query."""
    both = zip(pair.corpus.queries, pair.corpus.relevant, strict=True)
    return len(set().union(*(grades_of(texts) for own, texts in both if own == query)))


def _askable(marks: Marks, pair: Pair) -> Marks:
    """The marks, less those of queries that vectors from a file could not be asked."""
    files = [pair.corpus.prepared[each.file] for each in pair.designs if each.file]
    own = {*pair.corpus.queries}
    return {
        query: texts
        for query, texts in marks.items()
        if query in own or all(file.knows([query]) for file in files)
    }


def _unscored(pair: Pair) -> list[str]:
    """Why a design cannot be scored by the corpus's queries: vectors from a file have none."""
    if not any(pair.corpus.relevant):
        return []
    lines = []
    for side in pair.sides:
        if side.design.file:
            try:
                pair.corpus.prepared[side.design.file].of_queries(pair.corpus.queries)
            except NoQueryVectors as error:
                lines.append(f"{side.letter}: {error}")
    return lines


def _by_finders(
    answers: Sequence[Answer], texts: Sequence[str], relevant: Collection[int]
) -> tuple[list[tuple[Any, ...]], int]:
    """Each found text: by how many designs, whether it is relevant, and its rank under each.

    Most often found first, then by mean rank; and how many texts are beyond those listed.
    """
    ranks: dict[int, list[int | None]] = {}
    for column, answer in enumerate(answers):
        for rank, i in enumerate(answer.ids, start=1):
            ranks.setdefault(i, [None] * len(answers))[column] = rank

    def standing(i: int) -> tuple[int, float, int]:
        found = [rank for rank in ranks[i] if rank is not None]
        return -len(found), sum(found) / len(found), i

    order = sorted(ranks, key=standing)
    rows = [(-standing(i)[0], texts[i], i in relevant, ranks[i]) for i in order[:LISTED]]
    return rows, max(0, len(order) - LISTED)
