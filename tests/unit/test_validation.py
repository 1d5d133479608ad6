"""Data from files: what is wrong with them is said in one sentence."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass

from embedlab.errors import EmbedLabError
from embedlab.validation import validated


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str
    kind: Literal["cpu", "gpu"] = "cpu"
    name: str = "plain"

    @field_validator("name")
    @classmethod
    def _no_spaces(cls, name: str) -> str:
        if " " in name:
            raise EmbedLabError(f"{name!r} has a space; leave it out.")
        return name


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    steps: Annotated[int, Field(ge=1, le=100_000)] = 1
    rate: Annotated[float, Field(allow_inf_nan=False)] = 0.5
    first: Inner | None = None
    more: tuple[Inner, ...] = ()


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Plain:
    path: str
    steps: int = Field(default=3, ge=1)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"steps": 0}, "file: steps is 0; it must be at least 1."),
        ({"steps": 10**6}, "file: steps is 1,000,000; it must be at most 100,000."),
        ({"steps": "many"}, "file: steps is 'many'; it must be a whole number (int)."),
        ({"rate": float("nan")}, "file: rate is nan; it must be a number."),
        ({"colour": 1}, "file: unknown key 'colour'; known are steps, rate, first, more."),
        ({"first": {"title": "a", "x": 1}}, "file: first: unknown key 'x'; known are title, kind"),
        ({"more": [{"title": "a", "x": 1}]}, "file: more[0]: unknown key 'x'; known are title"),
        ({"more": [{}]}, "file: more[0]: 'title' is missing."),
        ({"more": ["a"]}, "file: more[0] is 'a'; it must be a list of 'key: value' lines."),
        ({"more": 3}, "file: more is 3; it must be a list."),
        ({"first": {"title": 5}}, "file: first: title is 5; it must be a text (str)."),
        ({"first": {"title": "a", "kind": "tpu"}}, "file: first: kind is 'tpu'; use 'cpu' or"),
        ({"first": {"title": "a", "name": "b c"}}, "file: first.name: 'b c' has a space; leave it"),
        ([1, 2], "file is [1, 2]; it must be a list of 'key: value' lines."),
    ],
)
def test_one_sentence_names_the_key_the_value_and_what_is_accepted(data, sentence):
    with pytest.raises(EmbedLabError) as raised:
        validated(Outer, data, "file")
    assert str(raised.value).startswith(sentence)


def test_a_huge_value_is_quoted_in_short():
    with pytest.raises(EmbedLabError) as raised:
        validated(Outer, {"steps": "9" * 10**6, "rate": ["\n"] * 10**6}, "file")
    assert len(str(raised.value)) < 200


def test_sound_data_become_the_model():
    assert validated(Outer, {"steps": 3, "more": [{"title": "a"}]}, "file").more[0].title == "a"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "file: 'path' is missing."),
        ({"path": "a", "x": 1}, "file: unknown key 'x'; known are path, steps."),
        ({"path": "a", "steps": 0}, "file: steps is 0; it must be at least 1."),
        (5, "file is 5; it must be a list of 'key: value' lines."),
    ],
)
def test_dataclasses_are_checked_alike(data, sentence):
    with pytest.raises(EmbedLabError) as raised:
        validated(Plain, data, "file")
    assert str(raised.value) == sentence
