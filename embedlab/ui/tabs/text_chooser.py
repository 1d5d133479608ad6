"""The control beside the map that filters or selects texts by words, values or numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
import numpy as np

from embedlab.analysis import filtering
from embedlab.analysis.colouring import Colouring, counts
from embedlab.analysis.filtering import LETTERS, NO_CATEGORY, Condition
from embedlab.errors import EmbedLabError
from embedlab.lab import colourings
from embedlab.lab.colourings import Context
from embedlab.lab.lab import Lab
from embedlab.progress import Progress
from embedlab.ui.shared import html
from embedlab.ui.shared.controls import ChangingDropdown
from embedlab.ui.shared.session import Remembered, Updates, Values
from embedlab.ui.shared.view import Pair

#: What can be gone by besides colourings: letters, and whatever is shown, such as by the legend.
SHOWN = "shown"
ALWAYS = (("Letters or words in the text", LETTERS), ("All texts that are shown", SHOWN))


class TextChooser:
    """Asks which texts: what to go by, then values, a range or words; and two buttons.

    The map tab wires ``by.input``, ``only.click`` and ``select.click``.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.by = ChangingDropdown([*ALWAYS], value=LETTERS, label="Go by", elem_id="choose-by")
        self.words = gr.Textbox(
            label="The text contains", placeholder="bank", max_lines=1, elem_id="choose-words"
        )
        self.values = ChangingDropdown(
            [], multiselect=True, label="Is one of", visible=False, elem_id="choose-values"
        )
        with gr.Row():
            self.low, self.high = (
                gr.Number(None, label=label, visible=False, min_width=90, elem_id=f"choose-{end}")
                for end, label in (("low", "At least"), ("high", "At most"))
            )
        self.note = html.block("choose-note")
        with gr.Row():
            self.only, self.select = (
                gr.Button(words, size="sm", min_width=110, elem_id=f"choose-{name}")
                for name, words in (("only", "Show only these"), ("select", "Select these"))
            )
        #: The key that is asked for, and of which texts with which categories.
        self.asking = Remembered()
        self.inputs = [self.by, self.words, self.values, self.low, self.high]
        self.outputs = [*self.inputs, self.note]

    def offer(
        self,
        pair: Pair,
        offered: Mapping[str, str],
        values: Values,
        colouring: Callable[[str], Colouring],
    ) -> Updates:
        """Updates for what is shown: the values of other texts or clusters are not left standing.

        Args:
            pair: what is shown.
            offered: the keys of its colourings with their titles.
            values: have what is asked.
            colouring: gives one of the colourings.
        """
        key, asked_of = values[self.asking] or (LETTERS, None)
        choices = [*ALWAYS, *((title, k) for k, title in offered.items())]
        update: Updates = {self.by: gr.update(choices=choices)}
        if asked_of is None:
            return update
        if key not in offered:
            back = {self.by: gr.update(choices=choices, value=LETTERS), self.asking: None}
            return back | self._inputs(None, letters=True)
        by = colouring(key)
        if asked_of == _mark(pair, by):
            return update
        return update | self._inputs(by) | {self.asking: (key, _mark(pair, by))}

    def asked(self, pair: Pair, values: Values, context: Context, report: Progress) -> Updates:
        """Updates after another choice of what to go by."""
        key = values[self.by]
        if key in (LETTERS, SHOWN):
            return self._inputs(None, letters=key == LETTERS) | {self.asking: (key, None)}
        by = colourings.colouring(self.lab, key, pair.a, pair.b, context, report)
        return self._inputs(by) | {self.asking: (key, _mark(pair, by))}

    def _inputs(self, by: Colouring | None, *, letters: bool = False) -> Updates:
        """Shows the inputs that fit, empty, with the values or the range that there are."""
        categories = by is not None and by.kind == "categories"
        choices: list[tuple[str, int]] = []
        note = by.note if by else ""
        if by is not None and categories:
            none = int((by.codes < 0).sum())
            named = [(f"{name} ({n:,})", code) for code, (name, n) in enumerate(counts(by))]
            choices = [*named, *([(f"{NO_CATEGORY} ({none:,})", -1)] if none else [])]
        elif by is not None and by.range:
            note = f"{by.range[0]:g} to {by.range[1]:g} here. {note}"
        numbers = by is not None and not categories
        return {
            self.words: gr.update(visible=letters),
            self.values: gr.update(choices=choices, value=[], visible=categories),
            self.low: gr.update(value=None, visible=numbers),
            self.high: gr.update(value=None, visible=numbers),
            self.note: html.muted(note) if note else "",
        }

    def condition(
        self, pair: Pair, values: Values, context: Context, report: Progress
    ) -> Condition:
        """What the control asks for.

        Raises:
            EmbedLabError: nothing is asked for, or what is cannot be.
        """
        key = values[self.by]
        if key == LETTERS:
            return filtering.containing(pair.corpus, values[self.words] or "")
        if key == SHOWN:
            rows = range(len(pair.corpus.texts)) if pair.rows is None else pair.rows
            words = pair.kept.words if pair.kept else "all texts"
            return filtering.selected(pair.corpus, pair.kept, rows, words)
        by = colourings.colouring(self.lab, key, pair.a, pair.b, context, report)
        title = colourings.measured_under(key, pair.names, by.title)
        if by.kind == "numbers":
            return filtering.within_range(key, by, values[self.low], values[self.high], title)
        codes = values[self.values] or []
        if values[self.asking] != (key, _mark(pair, by)) or set(map(type, codes)) - {int}:
            raise EmbedLabError("These values are of other texts or clusters; choose again.")
        return filtering.in_categories(key, by, codes, title)


def _mark(pair: Pair, by: Colouring) -> tuple[Any, ...]:
    """Tells whether values that were offered are still those that there are."""
    return (pair.corpus.key, tuple(counts(by)), by.range)


def hidden_categories(kept: filtering.TextFilter | None, key: str, by: Colouring) -> list[int]:
    """The categories of which a filter by this colouring leaves no text; -1 for those with none."""
    condition = next((c for c in kept.conditions if c.what == key), None) if kept else None
    if condition is None:
        return []
    codes = _codes(by)
    return sorted(set(codes) - {codes[i] for i in condition.rows})


def without_categories(key: str, by: Colouring, hidden: list[int], title: str) -> Condition | None:
    """The condition that hides categories in a legend; None where it hides none.

    Raises:
        EmbedLabError: it would hide all of them.
    """
    there = set(_codes(by))
    left = sorted(there - {*hidden})
    if not left:
        raise EmbedLabError("No text would be left; press an entry of the legend to show it again.")
    if len(left) == len(there):
        return None
    if by.kind == "numbers":
        rows = tuple(np.flatnonzero(by.has_value).tolist())
        return Condition(what=key, words=f"{title} is known", rows=rows)
    return filtering.in_categories(key, by, left, title)


def _codes(by: Colouring) -> list[int]:
    """The category of each text; of numbers 0, and -1 where there is none."""
    codes = by.codes if by.kind == "categories" else by.has_value.astype(np.int64) - 1
    found: list[int] = codes.tolist()
    return found
