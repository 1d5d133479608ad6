"""Controls of the tabs in a link: their values as text, and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from embedlab.text import one_line, shorten
from embedlab.ui.shared.session import Updates, Values


def controls_of(
    linked: Mapping[str, Any], given: Sequence[tuple[str, str]], said: list[str]
) -> Updates:
    """The values that a link gives a tab's controls."""
    updates: Updates = {}
    for name, text in given:
        if (control := linked.get(name)) is None:
            continue
        try:
            updates[control] = _read(control, text)
        except ValueError:
            said.append(f"{name} cannot be “{shorten(text, 40)}”")
    return updates


def _read(control: Any, text: str) -> Any:
    """A control's value; ValueError where it cannot have it."""
    if isinstance(control, gr.Checkbox):
        return bool(("0", "1").index(text))
    if isinstance(control, gr.Radio | gr.Dropdown):
        values = [value for _, value in control.choices]
        return values[list(map(str, values)).index(text)]
    if isinstance(control, gr.Slider):
        number = float(text)
        if not control.minimum <= number <= control.maximum:
            raise ValueError(text)
        return int(number) if number == int(number) else number
    return text


def differing(linked: Mapping[str, Any], values: Values) -> dict[str, str]:
    """The controls that say something else than at first, by their names in a link."""
    return {
        name: _text(values[control])
        for name, control in linked.items()
        if values[control] not in (control.value, None)
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:g}" if isinstance(value, int | float) else one_line(str(value))
