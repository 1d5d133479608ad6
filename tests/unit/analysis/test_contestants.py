"""Which designs are compared where nobody names any."""

from __future__ import annotations

from itertools import groupby

from embedlab.analysis.contestants import KINDS, designs_of
from embedlab.data.corpus import Corpus
from embedlab.models.design import PRESET_GROUPS, Design
from embedlab.models.template import TEMPLATES

BARE = Corpus(id="own", title="mine", texts=("a", "b"))
FULL = Corpus(
    id="own",
    title="mine",
    texts=("a", "b"),
    fields={"k": ("x", "y")},
    pairs=((0, 1, 2.0),),
    queries=("q",),
    relevant=(frozenset({0}),),
)


def test_all_presets_and_all_templates_are_there_each_once():
    designs = designs_of(KINDS, FULL, 30)
    assert len(designs) == len(set(designs)) >= 35
    presets = {design for group in PRESET_GROUPS.values() for design in group.values()}
    assert presets <= set(designs)
    assert {design.document_prompt for design in designs} == {"", *TEMPLATES}


def test_task_instructions_are_for_what_is_known_of_the_texts():
    named = {design.query_prompt for design in designs_of(KINDS, BARE, 30)}
    assert not {name for name in named if name.startswith("task-")}
    assert len(designs_of(KINDS, BARE, 30)) >= 30


def test_layers_are_those_of_the_backbone():
    for layers in (1, 4, 30):
        found = [design.layer for design in designs_of(["layers"], BARE, layers)]
        assert found and all(1 <= layer <= layers for layer in found)


def test_designs_of_one_pass_stand_together():
    passes = [
        (design.mode, tuple(t.key for t in design.templates(query=False)))
        for design in designs_of(KINDS, BARE, 30)
    ]
    runs = [key for key, _ in groupby(passes)]
    assert len(runs) == len(set(runs)) <= 10
    assert Design.parse("causal/eos") in designs_of(KINDS, BARE, 30)[:15]


def test_kinds_are_chosen_one_by_one():
    assert designs_of([], FULL, 30) == []
    assert designs_of(["trained", "yardstick"], FULL, 30) == []
    assert len(designs_of(["presets"], FULL, 30)) == 14
