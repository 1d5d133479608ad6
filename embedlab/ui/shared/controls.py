"""A slider that does not validate its range; handlers do, with our own message.

Gradio's own raises before any handler runs, in its own words and with a traceback.
"""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

import gradio as gr
from gradio.components import Number


def _preprocess(self: gr.Slider, payload: float | None) -> float | None:
    rounded: float | None = Number.round_to_precision(payload, self.precision)
    return rounded


#: As ``gr.Slider``. Not a class statement: Gradio's metaclass writes a .pyi file beside each.
Slider: Any = ABCMeta.__new__(
    type(gr.Slider), "Slider", (gr.Slider,), {"preprocess": _preprocess, "__module__": __name__}
)
