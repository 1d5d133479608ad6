"""Controls that several tabs have in the same form, and the events that report their changes."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gradio as gr
from gradio.components import Number


def _rounded(self: gr.Slider, payload: float | None) -> float | None:
    rounded: float | None = Number.round_to_precision(payload, self.precision)
    return rounded


def _as_it_is(_: Any, payload: Any) -> Any:
    return payload


def _lenient(kind: type[Any], preprocess: Callable[[Any, Any], Any]) -> Any:
    """A component whose values are checked by the handlers alone, with our own messages.

    Gradio's own check raises before any handler runs, in its own words and with a traceback.
    """
    # Not a class statement: Gradio's metaclass writes a .pyi file beside each. The name stays, as
    # the page finds the component by it.
    members = {"preprocess": preprocess, "__module__": __name__}
    return ABCMeta.__new__(type(kind), kind.__name__, (kind,), members)


#: A slider that does not validate its range.
Slider: Any = _lenient(gr.Slider, _rounded)
#: Controls whose choices follow from what is on the screen. Of two quick choices the second may
#: still bring a value from before: it was chosen from other choices, and its handler takes the
#: nearest that there is now.
ChangingDropdown: Any = _lenient(gr.Dropdown, _as_it_is)
ChangingRadio: Any = _lenient(gr.Radio, _as_it_is)


def changes(controls: Iterable[Any]) -> list[Any]:
    """The events that report a finished change: not every letter, nor every step of a slider."""
    events: list[Any] = []
    for control in controls:
        if isinstance(control, gr.Textbox | gr.Number):
            events += [control.submit, control.blur]
        else:
            events.append(control.release if isinstance(control, gr.Slider) else control.input)
    return events


class OpenTab:
    """Which of some tabs a visitor has opened, for the events by which tabs are selected.

    Gradio reports its first tab as selected when it draws the tabs. This report may arrive after
    the link that opens another tab, or after the report of that tab, and must not undo it: so an
    event says what is open once the browser has drawn it.

    Args:
        elem_id: of the ``gr.Tabs``.
    """

    def __init__(self, elem_id: str) -> None:
        #: Among an event's inputs it carries the id.
        self.carrier = gr.Textbox(visible="hidden", container=False)
        #: For the event's :class:`Action`; the function is in ``ui/static/links.js``.
        self.scripts = {self.carrier: f"await window.embedlab?.openTab('{elem_id}') ?? ''"}

    def read(self, values: Mapping[Any, Any]) -> str:
        """The id of the open tab; "" where nobody has done anything in the page yet."""
        return str(values[self.carrier] or "")


def code_block(elem_id: str, language: Any = "python") -> gr.Code:
    """The folded code of what a tab shows."""
    with gr.Accordion("Show the code", open=False):
        return gr.Code(language=language, elem_id=elem_id, show_label=False)
