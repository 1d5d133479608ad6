"""Data from files, checked by pydantic models, with pydantic's errors in one sentence of ours."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from embedlab.errors import EmbedLabError
from embedlab.text import one_line

T = TypeVar("T")

_INT = "it must be a whole number (int)"
_FLOAT = "it must be a number"
_BOOL = "it must be true or false (bool)"
_LIST = "it must be a list"
_MAPPING = "it must be a list of 'key: value' lines"
#: What is accepted, by pydantic's type of error; the braces take the error's context.
_ACCEPTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _INT),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), _FLOAT),
    **dict.fromkeys(("bool_type", "bool_parsing"), _BOOL),
    **dict.fromkeys(("list_type", "tuple_type"), _LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "dataclass_type"), _MAPPING),
    "string_type": "it must be a text (str)",
    "greater_than_equal": "it must be at least {ge:,}",
    "greater_than": "it must be more than {gt:,}",
    "less_than_equal": "it must be at most {le:,}",
    "less_than": "it must be less than {lt:,}",
    "literal_error": "use {expected}",
    "string_too_short": "it must have at least {min_length:,} characters",
    "string_too_long": "it must have at most {max_length:,} characters",
    "too_short": "it must have at least {min_length:,} entries",
    "too_long": "it must have at most {max_length:,} entries",
}
_VALUE = reprlib.Repr()
_VALUE.maxstring = _VALUE.maxother = _VALUE.maxlong = 60


def validated(model: type[T], data: object, what: str = "") -> T:
    """``data`` as an instance of a pydantic model, a pydantic dataclass or any annotated type.

    Args:
        model: what ``data`` has to be.
        data: plain values, as a JSON or YAML file gives them.
        what: names the data in front of the error's sentence; may be empty.

    Raises:
        EmbedLabError: a value is missing, unknown or not accepted; the sentence names its key,
            quotes it, and says what is accepted.
    """
    try:
        return TypeAdapter(model).validate_python(data)
    except ValidationError as error:
        raise EmbedLabError(sentence(error, model, what)) from error


def sentence(error: ValidationError, model: Any, what: str = "") -> str:
    """The first problem of a validation: where it is, the value, and what is accepted."""
    first: dict[str, Any] = dict(error.errors(include_url=False)[0])
    path: Sequence[str | int] = first["loc"]
    kind, context = first["type"], first.get("ctx", {})
    if kind in ("missing", "extra_forbidden", "unexpected_keyword_argument"):
        where = _joined(what, _name(path[:-1]))
        if kind == "missing":
            return f"{where or 'The data'}: {path[-1]!r} is missing."
        known = ", ".join(_keys(model, path[:-1]))
        key = _VALUE.repr(path[-1])
        return _joined(where, f"unknown key {one_line(key)}; known are {known}.")
    problem = context.get("error")
    if isinstance(problem, EmbedLabError):
        # A check of our own: it says the value and what is accepted itself.
        return _joined(what, _name(path), str(problem))
    given = first["input"]
    readable = type(given) is int and abs(given) < 10**15
    value = f"{given:,}" if readable else one_line(_VALUE.repr(given))
    accepted = _ACCEPTED.get(kind, "").format(**context) or str(problem or first["msg"])
    if not path:
        return f"{what or 'The data'} is {value}; {accepted}."
    *parents, last = path
    if isinstance(last, int):
        return _joined(what, f"{_name(path)} is {value}; {accepted}.")
    return _joined(what, _name(parents), f"{one_line(last)} is {value}; {accepted}.")


def _joined(*parts: str) -> str:
    return ": ".join(part for part in parts if part)


def _name(path: Sequence[str | int]) -> str:
    """``backbones[0].title``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return one_line(text.removeprefix("."))[:120]


def _keys(model: Any, path: Sequence[str | int]) -> list[str]:
    """The keys of the model that a path leads to, in their order; none where that is unclear."""
    for part in path:
        model = model if isinstance(part, int) else get_type_hints(model).get(part)
        # Out of ``X | None``, ``tuple[X, ...]`` and ``dict[str, X]``: the model among them.
        model = next(filter(_fields, get_args(model)), model)
    return _fields(model)


def _fields(model: Any) -> list[str]:
    """The fields of a pydantic model or a dataclass; none for any other type."""
    fields: dict[str, Any] = getattr(model, "model_fields", None) or getattr(
        model, "__dataclass_fields__", {}
    )
    return list(fields)
