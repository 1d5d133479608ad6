"""Which weights a side has: as loaded, trained for its design, or a visitor's own run.

The Model dropdown says it; the switch above the preset is the short way to its three kinds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from embedlab.errors import EmbedLabError
from embedlab.lab.lab import Lab
from embedlab.lab.run import PREFIX
from embedlab.models.design import Design
from embedlab.models.trained_designs import (
    TrainedDesign,
    trained_as,
    trained_designs,
    trained_on,
)
from embedlab.ui.shared.controls import ChangingRadio
from embedlab.ui.shared.session import Remembered, Updates, Values

if TYPE_CHECKING:
    from embedlab.ui.shared.design_panel import DesignPanel

UNTRAINED, TRAINED, MY_RUN = "untrained", "trained", "my run"
#: The Model dropdown's default: the untrained backbone chosen above.
AS_LOADED = ("The backbone above, as loaded", "")
_NO_RUN = "My run: train one under Fine-tune."


def kind_of(model: str) -> str:
    """What a model is: the backbone as loaded, a trained design, or a run."""
    if not model:
        return UNTRAINED
    return MY_RUN if model.startswith(PREFIX) else TRAINED


def model_of(weights: str, backbone_id: str, design: Design, runs: Sequence[str]) -> str:
    """The model that a position of the switch means.

    Args:
        weights: the position.
        backbone_id: of the backbone as loaded.
        design: of the side.
        runs: the visitor's runs, the last one last.

    Raises:
        EmbedLabError: there is none.
    """
    if weights == MY_RUN:
        if not runs:
            raise EmbedLabError("You have trained nothing yet; train a design under Fine-tune.")
        return runs[-1]
    if weights != TRAINED:
        return ""
    model = trained_as(backbone_id, design)
    if not model:
        raise EmbedLabError(why_not(backbone_id, design))
    return model


def why_not(backbone_id: str, design: Design) -> str:
    """Why there are no trained weights for a design on a backbone."""
    if design.file:
        return "Vectors from a file are what they are."
    there = trained_on(backbone_id)
    if not there:
        return f"No trained design of {backbone_id} comes with EmbedLab."
    names = ", ".join(each.design.alias or each.design.name for each in there)
    return f"No trained weights for {design.name}; there are some for {names}."


def offered(lab: Lab) -> list[tuple[str, str]]:
    """The trained designs of this deployment's backbones, for a dropdown."""
    backbones = {entry.id for entry in lab.config.backbones}
    return [
        (f"{each.id}: {each.design.name}, trained", each.id)
        for each in trained_designs().values()
        if each.backbone_id in backbones
    ]


def paper(lab: Lab) -> list[TrainedDesign]:
    """M1 and M5 as they were trained; empty where one of them is not there."""
    ids = {model for _, model in offered(lab)}
    by_alias = {e.design.alias: e for e in trained_designs().values() if e.id in ids}
    both = [by_alias[alias] for alias in ("M1", "M5") if alias in by_alias]
    return both if len(both) == 2 else []


def design_of(lab: Lab, model: str) -> Design:
    """The design that a trained model was trained for.

    Raises:
        EmbedLabError: the run is gone.
    """
    if model.startswith(PREFIX):
        return lab.runs.model(model).run_info.trained_design
    return trained_designs()[model].design


def state(backbone_id: str, design: Design | None, *, runs: bool) -> dict[str, Any]:
    """What the switch says of a design's weights: its note, and the class that disables a choice.

    Args:
        backbone_id: of the backbone as loaded.
        design: of the side; None where its controls describe none.
        runs: whether the visitor has some.
    """
    there = design is not None and bool(trained_as(backbone_id, design))
    notes = [] if there or design is None else [why_not(backbone_id, design)]
    notes += [] if runs else [_NO_RUN]
    return {
        "info": " ".join(notes),
        "elem_classes": ["weights", *([] if there else ["none-trained"])],
    }


def switch(side: str, backbone_id: str, design: Design, *, visible: bool) -> Any:
    """The switch of one side, which is there once there is anything to switch to."""
    return ChangingRadio(
        [UNTRAINED, TRAINED],
        value=UNTRAINED,
        label="Weights",
        elem_id=f"weights-{side}",
        visible=visible,
        **state(backbone_id, design, runs=False),
    )


def positions(*, runs: bool) -> list[str]:
    """The switch's choices: a visitor's runs are one once there are some."""
    return [UNTRAINED, TRAINED, *([MY_RUN] if runs else [])]


def followers(
    panel: DesignPanel,
    backbone: gr.Dropdown,
    changed: Collection[Any],
    values: Mapping[Any, Any] | None,
) -> set[Any]:
    """The controls that :func:`follow` may set after a change of these to ``values``."""
    if not {backbone, *panel.controls} & set(changed):
        return set()
    said = values or {}
    model = panel.model in changed
    following = {panel.weights}
    if model or panel.weights in changed or kind_of(said.get(panel.model) or "") == TRAINED:
        following.add(panel.model)
    if model or (panel.weights in changed and said.get(panel.weights) == MY_RUN):
        following |= {panel.preset, *panel.inputs}
    return following


def follow(
    lab: Lab,
    panel: DesignPanel,
    backbone: gr.Dropdown,
    runs: Remembered,
    changed: Collection[Any],
    values: Values,
) -> Updates:
    """Keep a side's switch, its model and its design together.

    Another model brings its design; another design or backbone brings the weights trained for it,
    or the backbone as loaded where there are none.

    Raises:
        EmbedLabError: the switch was set to weights that are not there.
    """
    if not {backbone, *panel.controls} & set(changed):
        return {}
    on_top, mine = values[backbone] or "", values.get(runs) or ()
    model = before = values[panel.model] or ""
    switched = values.get(panel.weights)
    design = _read(panel, values)
    if panel.model not in changed:
        if panel.weights in changed and switched != kind_of(model):
            model = model_of(str(switched), on_top, design or Design(), mine)
        elif kind_of(model) == TRAINED:
            model = trained_as(on_top, design) if design else ""
    updates: Updates = {} if model == before else {panel.model: model}
    chosen = panel.model in changed or model != before
    if model and chosen and not {panel.preset, *panel.inputs} & set(changed):
        its_own = design_of(lab, model)
        if design is None or replace(design, steps=()) != replace(its_own, steps=()):
            design = its_own
            updates |= panel.set_to(design)
    told = state(on_top, design, runs=bool(mine))
    return updates | {panel.weights: gr.update(value=kind_of(model), **told)}


def _read(panel: DesignPanel, values: Values) -> Design | None:
    """The side's design; None where its controls describe none, which the views report."""
    try:
        return panel.read(values)
    except EmbedLabError:
        return None
