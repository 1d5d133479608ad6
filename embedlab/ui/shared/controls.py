"""Controls that several tabs have in the same form, and the events that report their changes."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Iterable
from typing import Any

import gradio as gr
from gradio.components import Number


def _preprocess(self: gr.Slider, payload: float | None) -> float | None:
    rounded: float | None = Number.round_to_precision(payload, self.precision)
    return rounded


#: A slider that does not validate its range; handlers do, with our own message. Gradio's own raises
#: before any handler runs, in its own words and with a traceback.
#: Not a class statement: Gradio's metaclass writes a .pyi file beside each.
Slider: Any = ABCMeta.__new__(
    type(gr.Slider), "Slider", (gr.Slider,), {"preprocess": _preprocess, "__module__": __name__}
)


def changes(controls: Iterable[Any]) -> list[Any]:
    """The events that report a finished change: not every letter, nor every step of a slider."""
    events: list[Any] = []
    for control in controls:
        if isinstance(control, gr.Textbox | gr.Number):
            events += [control.submit, control.blur]
        else:
            events.append(control.release if isinstance(control, gr.Slider) else control.input)
    return events


def code_block(elem_id: str, language: Any = "python") -> gr.Code:
    """The folded code of what a tab shows."""
    with gr.Accordion("Show the code", open=False):
        return gr.Code(language=language, elem_id=elem_id, show_label=False)
