"""Task instructions: before the queries alone in retrieval, before every text elsewhere."""

from __future__ import annotations

import pytest

from embedlab.analysis.tasks import CATEGORY_MEASURES
from embedlab.errors import EmbedLabError
from embedlab.models.design import Design
from embedlab.study.definition import study_from
from embedlab.study.instructions import BUILT_IN, instructed

PLAIN = {"designs": ["M1", "M5"], "tasks": ["stsb"]}


def put_in(category: str, text: str, *, query: bool) -> str:
    design = instructed(Design.parse("M1"), category, BUILT_IN[category])
    (template,) = design.templates(query=query)
    return template.around(text)


@pytest.mark.parametrize("category", CATEGORY_MEASURES)
def test_every_category_has_one_before_its_queries(category):
    asked = put_in(category, "a text", query=True)
    assert asked.endswith(": a text") and len(asked) > 20
    alone = category == "Retrieval"
    assert put_in(category, "a text", query=False) == ("a text" if alone else asked)
    assert instructed(Design.parse("M1"), category, BUILT_IN[category]).ended


def test_a_study_with_instructions_takes_no_design_with_a_prompt():
    with pytest.raises(EmbedLabError, match="has a prompt of its own"):
        study_from({**PLAIN, "designs": ["M1", "causal/last?template=topic"], "instructions": True})


def test_a_study_without_them_is_what_it_was():
    plain = study_from(PLAIN)
    assert study_from({**PLAIN, "instructions": False}).digest == plain.digest
    assert study_from({**PLAIN, "instructions": True}).digest != plain.digest
