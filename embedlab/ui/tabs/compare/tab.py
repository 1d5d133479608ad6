"""The Compare tab: every design on the texts at hand, row by row, and an answer in words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import gradio as gr

from embedlab.analysis.comparison import NEAREST
from embedlab.analysis.contestants import KINDS
from embedlab.analysis.leaderboard import DEFAULT, LABEL_FREE, MEASURES, Ranking, answer
from embedlab.analysis.projection import is_warm
from embedlab.errors import Cancelled, EmbedLabError
from embedlab.lab.entries import Request, entries_for, trained_models
from embedlab.lab.leaderboard import Table, leaderboard, ranking
from embedlab.lab.views import aligned_maps
from embedlab.models.design import Design
from embedlab.progress import Progress
from embedlab.render import leaderboard as render
from embedlab.render import look_for
from embedlab.render.csv_table import csv_table
from embedlab.ui.shared import html
from embedlab.ui.shared.controls import ChangingDropdown, ChangingRadio, code_block
from embedlab.ui.shared.design_panel import DesignPanel
from embedlab.ui.shared.figure import figure_block, figure_value
from embedlab.ui.shared.parse import event_data
from embedlab.ui.shared.session import Action, Remembered, Session, Updates, Values
from embedlab.ui.shared.sidebar import OWN, Choice
from embedlab.ui.shared.theme import script
from embedlab.ui.shared.view import LANE, PRIVATE, Pair, View, Workbench
from embedlab.ui.tabs.compare.maps import MOST_MAPS, maps_value, small_maps
from embedlab.ui.tabs.finetune.live import Trainings

EMPTY = (
    "Every preset, template and layer of interest on these texts: press 'Compare all designs', and "
    "rows appear as they are computed."
)
PCA, UMAP = "PCA", "UMAP"


class CompareTab(View):
    """The answer, the table, small maps of up to nine designs, and how far designs agree."""

    id = "compare"
    title = "Compare"
    filtered = "The small maps show these texts; all figures count all texts."

    def __init__(self, bench: Workbench, trainings: Trainings) -> None:
        self.lab, self.sidebar, self.trainings = bench.lab, bench.sidebar, trainings
        self.answer = html.block("compare-answer", html.empty(EMPTY))
        with gr.Row(equal_height=False):
            self.start = gr.Button(
                "Compare all designs",
                variant="primary",
                scale=1,
                min_width=200,
                elem_id="compare-start",
            )
            self.by = ChangingRadio(
                [], label="Rank by", visible=False, scale=3, min_width=280, elem_id="compare-by"
            )
            self.field = ChangingDropdown(
                [], label="Labels", visible=False, scale=1, min_width=160, elem_id="compare-field"
            )
        with gr.Accordion("What is compared", open=False):
            self.kinds = gr.CheckboxGroup(
                [(title, kind) for kind, title in KINDS.items()],
                value=list(KINDS),
                label="Designs",
                info="Those that read the same pass cost little more than one of them.",
                elem_id="compare-kinds",
            )
        self.state = html.block("compare-state")
        self.table = html.block(
            "compare-table", js_on_load=script("leaderboard"), elem_classes=["table-block"]
        )
        with gr.Column(visible=False) as self.more:
            gr.HTML("<h3 class='section-head'>Maps, side by side</h3>", apply_default_css=False)
            with gr.Row(equal_height=True):
                self.mapped = ChangingDropdown(
                    [],
                    multiselect=True,
                    max_choices=MOST_MAPS,
                    label=f"Designs, up to {MOST_MAPS}",
                    info="Empty for the best, the default, and A and B.",
                    scale=4,
                    min_width=280,
                    elem_id="compare-mapped",
                )
                self.method = gr.Radio(
                    [PCA, UMAP],
                    value=PCA,
                    label="Drawn by",
                    scale=1,
                    min_width=160,
                    elem_id="compare-method",
                )
            self.maps = small_maps()
            gr.HTML("<h3 class='section-head'>How far designs agree</h3>", apply_default_css=False)
            self.which = gr.Radio(
                [render.OVERLAP, render.CKA],
                value=render.OVERLAP,
                show_label=False,
                elem_id="compare-which",
            )
            self.matrix = figure_block("compare-matrix")
        self.file = html.saver()
        self.code = code_block("compare-code", "shell")
        # The choice that the tab was drawn for, and the backbone on top of the sidebar by then.
        self.shown, self.base = Remembered(), Remembered("")
        self.result = Remembered()  # the last table, finished or not
        self.inputs = [self.by, self.field, self.mapped, self.method, self.which]
        self.outputs = [
            *(self.answer, self.state, self.table, self.more, self.maps, self.matrix),
            *(self.by, self.field, self.mapped, self.file, self.code),
        ]
        self.triggers = [control.input for control in self.inputs]
        self._wire(bench)

    def _wire(self, bench: Workbench) -> None:
        panels: dict[str, DesignPanel] = {"A": self.sidebar.a, "B": self.sidebar.b}
        self.panels = panels
        sets = [c for panel in panels.values() for c in panel.controls]
        self.actions = [Action(trigger=self.table.pick, run=self._pick, sets=sets)]
        self.start.click(
            bench.sessions.stream_handler(self._compare, "leaderboard"),
            {self.kinds, self.trainings.run_ids, *self.inputs},
            self.outputs,
            show_progress="full",
            show_progress_on=self.state,
            **LANE,
            **PRIVATE,
        )
        self.on(bench, self.table.save, self._save, shown=self.shown, inputs=set(self.inputs))

    # What is shown

    def show(self, pair: Pair, values: Values, report: Progress) -> Updates:
        """The last table, if it is of these texts; else what would be compared."""
        base = values[self.sidebar.backbone] or self.lab.default_backbone
        now: Updates = {self.shown: pair.choice, self.base: base}
        return now | self._screen(Values(values | now), report)

    def _screen(self, values: Values, report: Progress) -> Updates:
        """What the tab shows for a choice and a table, both remembered."""
        choice: Choice = values[self.shown]
        table: Table | None = values[self.result]
        fields, field = list(choice.corpus.fields), self._field(values)
        updates: Updates = {
            self.field: gr.update(choices=fields, value=field or None, visible=len(fields) > 1),
            self.code: _code(choice, field),
        }
        if table is None or not table.rows or not self._belongs(table.request, values):
            return updates | {
                self.answer: html.empty(EMPTY),
                self.state: "",
                self.table: "",
                self.by: gr.update(visible=False),
                self.more: gr.update(visible=False),
            }
        ranked = self._ranked(table, values, report)
        measure = ranked.measure
        sides = _sides(ranked, choice)
        updates |= {
            self.answer: self._answer(ranked, table),
            self.state: _state(table),
            self.table: html.look_for(look_for.table(ranked))
            + render.table_html(
                ranked,
                table.measures,
                sides,
                _caption(table, ranked),
                finished=table.finished,
            ),
            self.by: gr.update(
                choices=[(MEASURES[m], m) for m in table.measures],
                value=measure,
                visible=len(table.measures) > 1,
            ),
            self.more: gr.update(visible=table.finished),
        }
        if table.finished:
            updates |= self._maps(table, ranked, sides, values, report)
            updates[self.matrix] = _matrix(table, ranked, sides, values[self.which])
        return updates

    def _answer(self, ranked: Ranking, table: Table) -> Any:
        lines = answer(ranked, len(table.request.corpus.texts))
        if not table.finished:
            lines[0] = f"So far: {lines[0][0].lower()}{lines[0][1:]}"
        return render.answer_html(lines, ranked.measure in LABEL_FREE)

    def _maps(
        self,
        table: Table,
        ranked: Ranking,
        sides: dict[str, str],
        values: Values,
        report: Progress,
    ) -> Updates:
        """Small maps of the chosen designs, else of the best, the default, A and B."""
        entries = {entry.name: entry for entry in table.request.entries}
        names = [row.name for row in ranked.rows if row.name in entries]
        chosen = [name for name in values[self.mapped] or [] if name in names]
        drawn = (chosen or _worth_a_map(ranked, names, sides))[:MOST_MAPS]
        corpus, seed = table.request.corpus, table.request.seed
        embedded = [entries[name].embedded(self.lab, corpus, report) for name in drawn]
        method = values[self.method]
        if method == UMAP and not is_warm():
            method = PCA
            gr.Warning("UMAP is still being compiled; the maps are PCA's.", title="Not yet")
        maps = aligned_maps(self.lab, embedded, method, seed, report)
        labels = corpus.fields.get(table.request.field)
        caption = (
            f"{method}, aligned to the first · {corpus.title}, {corpus.size_note} texts, "
            f"seed {seed}" + (f", colours: {table.request.field}" if labels else "")
        )
        near = [self.lab.neighbours(side, NEAREST, report).ids[:, :NEAREST] for side in embedded]
        look = look_for.small_maps(drawn, labels, near)
        return {
            self.mapped: gr.update(choices=names, value=chosen),
            self.maps: maps_value(
                [(n, sides.get(n, ""), xy) for n, xy in zip(drawn, maps, strict=True)],
                corpus.texts,
                labels,
                rows=kept.rows if (kept := values[self.shown].kept) else None,
                caption=caption,
                look=look,
            ),
        }

    # What the visitor does

    def _compare(self, session: Session, inputs: Updates, report: Progress) -> Iterator[Updates]:
        """Compute the table, and show it after every row."""

        def now() -> Values:
            # What was chosen since the event that started this comes first.
            return session.values(inputs | session.choices.current())

        values = now()
        if values[self.shown] is None:
            raise EmbedLabError(
                "The tab was drawn too long ago; change a setting to draw it again."
            )
        request = self._request(values, report)
        try:
            for table in leaderboard(self.lab, request, report):
                if not self._belongs(request, now()):
                    # Other texts were chosen meanwhile; what is computed stays cached.
                    yield self._screen(now(), report)
                    return
                shown = self._screen(Values(now() | {self.result: table}), report)
                yield {self.result: table, **shown}
        except Cancelled:
            stopped = "Stopped. Compare again to go on: what was computed is kept."
            yield {self.state: html.muted(stopped)}

    def _request(self, values: Values, report: Progress) -> Request:
        choice: Choice = values[self.shown]
        kinds = values[self.kinds] or []
        also = [(choice.a, choice.backbone_ids[0]), (choice.b, choice.backbone_ids[1])]
        if "trained" in kinds:
            also += trained_models(self.lab, values[self.base], values[self.trainings.run_ids])
        return entries_for(
            self.lab,
            choice.corpus,
            values[self.base],
            kinds=kinds,
            also=also,
            field=self._field(values),
            seed=choice.seed,
            progress=report,
        )

    def _field(self, values: Values) -> str:
        """The chosen labels, or the first that the texts have."""
        fields = values[self.shown].corpus.fields
        return values[self.field] if values[self.field] in fields else next(iter(fields), "")

    def _belongs(self, request: Request, values: Values) -> bool:
        """Whether a table is of these texts, with these labels; A and B may be others by now."""
        choice: Choice = values[self.shown]
        same_texts = request.corpus.key == choice.corpus.key and request.seed == choice.seed
        on_same = request.field == self._field(values) and request.model == values[self.base]
        return same_texts and on_same

    def _pick(self, values: Values, _: Progress, event: gr.EventData) -> Updates:
        """A row's design becomes A or B."""
        data, table = event_data(event), values[self.result]
        panel = self.panels.get(str(data.get("side")))
        rows = {} if table is None else {row.name: row for row in table.rows}
        row = rows.get(str(data.get("name")))
        if panel is None or row is None or row.yardstick:
            return {}
        design = Design.parse(row.design)
        if design.file:
            return {panel.preset: row.design}
        model = "" if row.model == values[self.base] else row.model
        return {panel.model: model, **panel.set_to(design)}

    def _save(self, pair: Pair, values: Values, event: gr.EventData, report: Progress) -> Updates:
        table: Table | None = values[self.result]
        if table is None:
            raise EmbedLabError("There is no table to save; compare first.")
        ranked = self._ranked(table, values, report)
        rows = render.csv_rows(ranked, table.measures)
        text = csv_table(*rows, caption=_caption(table, ranked), verbatim=True)
        return {self.file: html.saved("designs.csv", text)}

    def _ranked(self, table: Table, values: Values, report: Progress) -> Ranking:
        """By the chosen measure, or the first that there is."""
        measure = values[self.by] if values[self.by] in table.measures else table.first_measure
        return ranking(self.lab, table, measure, report)


def _sides(ranked: Ranking, choice: Choice) -> dict[str, str]:
    """``A``, ``B`` or ``AB`` by the names of the rows that the sidebar has."""
    sides: dict[str, str] = {}
    for letter, design, model in zip("AB", (choice.a, choice.b), choice.backbone_ids, strict=True):
        for row in ranked.rows:
            if (row.design, row.model) == (str(design), model):
                sides[row.name] = sides.get(row.name, "") + letter
    return sides


def _worth_a_map(ranked: Ranking, names: list[str], sides: dict[str, str]) -> list[str]:
    """The best, the default, A and B, and then the others in their order."""
    best = [ranked.best.name] if ranked.best else []
    return list(dict.fromkeys([*best, *(n for n in (DEFAULT, *sides) if n in names), *names]))


def _state(table: Table) -> Any:
    """How far the table is, and what is not in it."""
    request = table.request
    rows = f"{len(table.rows)} of {request.size} rows, {table.done} of {request.passes} passes"
    if table.finished:
        rows = (
            f"{len(table.rows)} rows from {request.passes} passes over "
            f"{request.corpus.size_note} texts, {table.seconds:.0f} s"
        )
    return html.joined([html.muted(rows), render.left_out_html(table.left_out)])


def _caption(table: Table, ranked: Ranking) -> str:
    """What was measured on what."""
    request = table.request
    counts = {row.scores[ranked.measure].n for row in ranked.rows if ranked.measure in row.scores}
    units = {"ndcg_10": "queries", "spearman": "pairs"}
    n = f", n = {max(counts):,} {units.get(ranked.measure, 'texts')}" if counts else ""
    labels = f", labels: {request.field}" if request.field else ""
    tested = ""
    if any(there.p is not None for there in ranked.standings.values()):
        tested = "; paired randomisation test against the best, Holm"
    return (
        f"{MEASURES[ranked.measure]}{n}{labels}, 95 % bootstrap intervals{tested} · "
        f"{request.corpus.title}, {request.corpus.size_note} texts, seed {request.seed} · "
        f"{html.provenance(request.backbone)}"
    )


def _matrix(table: Table, ranked: Ranking, sides: dict[str, str], which: str) -> Any:
    """The matrix of agreement, or nothing for a single design."""
    agreement = table.agreement
    if agreement is None or len(agreement.names) < 2:
        return None
    places = {row.name: number for number, row in enumerate(ranked.rows, start=1)}
    figure = render.agreement_heatmap(agreement, which, places, sides)
    header = ("design", "other design", "neighbour overlap", "linear CKA")
    what = {
        render.OVERLAP: "Mean Jaccard index of each text's ten nearest under two designs",
        render.CKA: "Linear CKA of two designs' vectors",
    }[which]
    caption = (
        f"{what}, ×100, over {len(agreement.rows):,} texts, similar designs beside each other · "
        f"{table.request.corpus.title}"
    )
    rows = render.agreement_rows(agreement)
    numbers = agreement.overlap if which == render.OVERLAP else agreement.cka
    look = look_for.pairs_of_designs(agreement.names, numbers, which)
    name = "designs-agreement"
    return figure_value(figure, header, rows, name=name, caption=caption, look=look)


def _code(choice: Choice, field: str) -> str:
    corpus = choice.corpus
    designs = " ".join(f"--design {shlex.quote(str(each))}" for each in (choice.a, choice.b))
    label = f" --label-column {shlex.quote(field)}" if field else ""
    if corpus.id == OWN:
        line = f"embedlab compare my-texts.csv{label}"
    else:
        line = f"embedlab compare {corpus.id} --sample {len(corpus.texts)} --seed {choice.seed}"
    return (
        f"{line} --out designs.csv\n"
        "# some designs, on another model, as JSON:\n"
        f"{line} {designs} --backbone path/to/model --json\n"
    )
