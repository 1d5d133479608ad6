"""The selection of texts on the map: filters, new corpora, comparisons and files made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from embedlab.analysis.filtering import (
    TextFilter,
    checked_rows,
    narrowed,
    selected,
    texts_in_words,
)
from embedlab.analysis.selections import counts_by_group
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab import selections
from embedlab.lab.clusters import clusters
from embedlab.lab.colourings import Context
from embedlab.progress import Progress
from embedlab.render.html import Macros, joined
from embedlab.render.text_files import MEDIA, DesignColumns, names_of, text_file, text_table
from embedlab.text import one_line, shorten
from embedlab.ui.shared import html
from embedlab.ui.shared.parse import event_data
from embedlab.ui.shared.session import Action, Remembered, Updates, Values
from embedlab.ui.shared.sidebar import OWN, Choice
from embedlab.ui.shared.theme import script
from embedlab.ui.shared.view import Pair, Side, Workbench

SELECTION = Macros("selection.html")
#: Clusters whose texts are counted for two selections.
CLUSTERS_LISTED = 10
#: Characters of the name of a new corpus.
NAME_CHARACTERS = 80


@dataclass(frozen=True, kw_only=True)
class Selected:
    """Texts that were selected, by index in rising order, and in which words.

    ``fingerprint`` is that of their corpus: a selection survives a change of design and a new
    drawing, but not a change of the texts.
    """

    fingerprint: str
    rows: tuple[int, ...]
    words: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Picked:
    """What chose the corpus that texts were picked from: the sidebar's dropdown and own texts."""

    dropdown: str
    own: Corpus | None


def rows_of(chosen: Selected | None, corpus: Corpus) -> tuple[int, ...]:
    """The selected texts if they are of this corpus, else none."""
    return chosen.rows if chosen and chosen.fingerprint == corpus.fingerprint else ()


def shown_rows(chosen: Selected | None, corpus: Corpus, kept: TextFilter | None) -> tuple[int, ...]:
    """Those of the selected texts that the filter leaves."""
    rows = rows_of(chosen, corpus)
    return tuple(sorted({*rows} & {*kept.rows})) if kept else rows


class SelectionPanel:
    """What can be done with the selected texts; the map tab wires its events.

    ``actions`` change the filter or the corpus. ``selected`` and ``first`` are the selection and
    the one remembered for a comparison.
    """

    def __init__(self, bench: Workbench, shown: Remembered) -> None:
        self.lab, self.bench, self.shown = bench.lab, bench, shown
        self.block = html.block("selection", js_on_load=script("selection"))
        self.selected, self.first = Remembered(), Remembered()
        #: The ways back, the last one last.
        self.picked = Remembered(())
        sidebar = bench.sidebar
        sets = (sidebar.own, sidebar.corpus)
        self.actions = [
            Action(trigger=self.block.only, run=self._only),
            Action(trigger=self.block.hide, run=self._hide),
            Action(trigger=self.block.keep, run=self._keep, sets=sets),
            Action(trigger=self.block.leave, run=self._leave, sets=sets),
            Action(trigger=self.block.back, run=self._back, sets=sets),
        ]

    # What there is to see

    def html(self, pair: Pair, values: Values, context: Context, report: Progress) -> Markup:
        """The selection with its tools, and how it compares with the remembered one.

        ``context`` says how the texts are clustered.
        """
        corpus, chosen = pair.corpus, values[self.selected]
        rows = shown_rows(chosen, corpus, pair.kept)
        parts = []
        picked: tuple[Picked, ...] = values[self.picked]
        if corpus.part_of and picked:
            parts.append(SELECTION.picked_from(len(corpus.texts), corpus.part_of))
        if rows:
            ids = "\n".join(one_line(str(name)) for name in names_of(corpus, rows))
            hidden = len(rows_of(chosen, corpus)) - len(rows)
            parts.append(
                SELECTION.selected(
                    len(rows), len(corpus.texts), chosen.words, hidden, ids, _title(corpus, rows)
                )
            )
        if first := rows_of(values[self.first], corpus):
            parts.append(SELECTION.first(len(first), values[self.first].words))
            if rows and rows != first:
                parts.append(self._comparison(pair, values, first, rows, context, report))
        return joined(parts)

    def _comparison(
        self,
        pair: Pair,
        values: Values,
        first: tuple[int, ...],
        second: tuple[int, ...],
        context: Context,
        report: Progress,
    ) -> Markup:
        """Mean cosines within and between two selections, their words and their clusters."""
        a, b = (
            selections.compared(self.lab, side.embedded, first, second, report)
            for side in pair.sides
        )
        rows = [
            (f"Within 1: {texts_in_words(len(first))}", a.first, b.first),
            (f"Within 2: {texts_in_words(len(second))}", a.second, b.second),
            ("Between 1 and 2", a.between, b.between),
        ]
        both = len({*first} & {*second})
        caption = (
            f"1: {values[self.first].words}; 2: {values[self.selected].words}. Mean cosine ×100"
        )
        if both:
            caption += f"; in both, and in no pair with themselves: {texts_in_words(both)}"
        alone = [k for k, texts in ((1, first), (2, second)) if len(texts) == 1]
        notes = [f"One text has no pairs, so there is nothing within {k}." for k in alone]
        what = pair.caption("Two selections of texts")
        words = selections.telling_words(self.lab, pair.corpus, first, second, report)
        return (
            html.score_table(rows, caption, headers="Mean cosine", measured_on=what)
            + html.note(notes)
            + SELECTION.words_of([("1", words[0]), ("2", words[1])])
            + html.side_by_side(
                *(self._clusters(side, first, second, context, report) for side in pair.sides)
            )
        )

    def _clusters(
        self,
        side: Side,
        first: tuple[int, ...],
        second: tuple[int, ...],
        context: Context,
        report: Progress,
    ) -> Markup:
        """How many texts of each selection the clusters of a design have."""
        found = clusters(self.lab, side.embedded, context.clustering, report).at(context.level)
        counted = counts_by_group(found.labels, first, second)
        rows = [
            ("in no cluster" if group < 0 else found.names[group], f"{one:,}", f"{two:,}")
            for group, one, two in counted[:CLUSTERS_LISTED]
        ]
        more = len(counted) - len(rows)
        caption = found.method + (f"; {more:,} smaller ones are not listed" if more > 0 else "")
        return SELECTION.clusters(side.letter, rows, caption)

    # What changes the filter or the corpus

    def _chosen(self, values: Values) -> tuple[Choice, tuple[int, ...], str]:
        """What is drawn, the selected texts of it that are shown, and their words.

        Raises:
            EmbedLabError: nothing is selected.
        """
        choice: Choice | None = values[self.shown]
        marked: Selected | None = values[self.selected]
        if choice is None:
            raise EmbedLabError("This was drawn too long ago; change a setting to draw it again.")
        rows = shown_rows(marked, choice.corpus, choice.kept)
        checked_rows(rows, len(choice.corpus.texts))
        assert marked is not None  # or there would be no rows
        return choice, rows, marked.words

    def _only(self, values: Values, _: Progress, __: gr.EventData) -> Updates:
        return self._filtered(values, hide=False)

    def _hide(self, values: Values, _: Progress, __: gr.EventData) -> Updates:
        return self._filtered(values, hide=True)

    def _filtered(self, values: Values, *, hide: bool) -> Updates:
        choice, rows, words = self._chosen(values)
        condition = selected(choice.corpus, choice.kept, rows, words, hide=hide)
        return {self.bench.kept: narrowed(choice.corpus, choice.kept, condition)}

    def _keep(self, values: Values, _: Progress, event: gr.EventData) -> Updates:
        choice, rows, _words = self._chosen(values)
        return self._new_corpus(choice.corpus, rows, values, event)

    def _leave(self, values: Values, _: Progress, event: gr.EventData) -> Updates:
        choice, rows, _words = self._chosen(values)
        others = sorted(set(range(len(choice.corpus.texts))) - {*rows})
        return self._new_corpus(choice.corpus, others, values, event)

    def _new_corpus(
        self, corpus: Corpus, rows: Sequence[int], values: Values, event: gr.EventData
    ) -> Updates:
        given = event_data(event).get("name")
        name = shorten(given, NAME_CHARACTERS) if isinstance(given, str) else ""
        return self.pick(corpus, rows, values, values[self.bench.sidebar.corpus], name)

    def pick(
        self, corpus: Corpus, rows: Sequence[int], values: Values, dropdown: str, name: str = ""
    ) -> Updates:
        """The updates that make some texts of a corpus one of their own.

        ``dropdown`` is what chose that corpus.
        """
        sidebar = self.bench.sidebar
        made = corpus.only(rows, name or _title(corpus, rows))
        picked = Picked(dropdown=dropdown, own=values[sidebar.own])
        return {
            sidebar.own: made,
            sidebar.corpus: OWN,
            self.picked: (*values[self.picked], picked),
        }

    def source(self, values: Values) -> tuple[str, tuple[int, ...]] | None:
        """The built-in corpus that the texts were picked from, with their numbers in it."""
        sidebar = self.bench.sidebar
        own: Corpus | None = values.get(sidebar.own)
        if own is None or not own.part_of or values.get(sidebar.corpus) != OWN:
            return None
        for each in reversed(values[self.picked]):
            if each.dropdown != OWN:
                return each.dropdown, own.rows
            if each.own is None or not each.own.part_of:
                break  # picked from texts of somebody's own
        return None

    def _back(self, values: Values, _: Progress, __: gr.EventData) -> Updates:
        sidebar, picked = self.bench.sidebar, values[self.picked]
        if not picked:
            raise EmbedLabError("There are no texts to go back to; choose a corpus in the sidebar.")
        last: Picked = picked[-1]
        return {sidebar.own: last.own, sidebar.corpus: last.dropdown, self.picked: picked[:-1]}

    # Events that leave filter and corpus alone

    def select(self, pair: Pair, rows: Sequence[int], words: str) -> Updates:
        """The updates that select texts; none of them selects nothing."""
        chosen = tuple(sorted({*rows}))
        made = Selected(fingerprint=pair.corpus.fingerprint, rows=chosen, words=words)
        return {self.selected: made if chosen else None}

    def compare(self, pair: Pair, values: Values) -> Updates:
        """Remember the selection, for a comparison with the next one."""
        rows = shown_rows(values[self.selected], pair.corpus, pair.kept)
        checked_rows(rows, len(pair.corpus.texts))
        words = values[self.selected].words
        return {self.first: Selected(fingerprint=pair.corpus.fingerprint, rows=rows, words=words)}

    def file(
        self, pair: Pair, values: Values, event: gr.EventData, places: Sequence[Any], field: str
    ) -> Any:
        """The selected texts as a file, for the page's saver.

        Args:
            pair: what is drawn.
            values: have the selection.
            event: names the kind of file.
            places: the texts' places on both maps, (n, 2) each.
            field: holds the labels that come first.
        """
        kind = str(event_data(event).get("kind"))
        rows = shown_rows(values[self.selected], pair.corpus, pair.kept)
        checked_rows(rows, len(pair.corpus.texts))
        designs = [
            DesignColumns(
                letter=side.letter,
                places=[xy[i] for i in rows],
                nearest=selections.neighbour_lists(self.lab, side.embedded, rows),
            )
            for side, xy in zip(pair.sides, places, strict=True)
        ]
        table = text_table(pair.corpus, rows, designs, field=field)
        caption = pair.caption(f"Selected texts ({values[self.selected].words})")
        data = text_file(kind, *table, caption)
        return html.saved_bytes(f"texts.{kind}", data, MEDIA[kind])


def _title(corpus: Corpus, rows: Sequence[int]) -> str:
    """What a corpus of some texts of another is called."""
    start = f"{len(rows):,} of "
    return start + shorten(corpus.title, NAME_CHARACTERS - len(start))
