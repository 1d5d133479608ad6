"""Tables from JSON, in the shapes that programs write: records, columns, pages of an API."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from embedlab.data.headers import is_header, is_usual_name
from embedlab.data.json_values import NOT_JSON, json_values
from embedlab.data.rows import (
    Bad,
    Unreadable,
    cell_text,
    distinct_names,
    limit_columns,
    take,
)
from embedlab.data.tables import Table, quoted_names
from embedlab.text import clean_text

#: A nested object with more names than this is a map, not a part of the row.
_MOST_PARTS = 20
#: How deep the list of rows may lie in a page of an API.
_DEEPEST = 3
_LIST_NAMES = (
    *("data", "rows", "records", "items", "results", "docs", "documents", "hits", "examples"),
    *("entries", "texts"),
)
_LABEL_NAMES = frozenset(("label", "labels", "category", "class", "topic", "sentiment", "intent"))
_HEADER_NAMES = ("columns", "header", "headers", "names", "fields")
_NO_ROWS = 'holds no rows; write one JSON object a line, such as {"text": "…", "label": "…"}'


def read_json(text: str, limit: int, *, lines: bool = False) -> Table:
    """The first ``limit`` rows of a JSON file, or of one with a value a line.

    Raises:
        Unreadable: it is not JSON, holds no rows, or nests its texts too deeply.
    """
    values = json_values(text, lines=lines)
    rows, notes = values.rows, values.notes
    if values.whole is not None:
        rows, notes = _rows_of(values.whole)
    rows = _with_lists(list(_unpacked(rows)))
    taken = take((_row(value) for value in rows), limit)
    if not taken.rows:
        if any(value is NOT_JSON for value in rows) and text.lstrip()[:1] in ("{", "["):
            json_values(text, lines=False)  # says what is wrong with it, and where
        raise Unreadable(_NO_ROWS)
    _refuse_deep_texts(taken.rows)
    labels = {name for row in rows if isinstance(row, dict) for name in _label_studio(row)}
    columns = _columns(taken.rows)
    return taken.table(columns, notes, [name for name in columns if name in labels])


def _row(value: Any) -> dict[str, Any] | Bad:
    if isinstance(value, Bad):
        return value
    if isinstance(value, dict):
        return value | _label_studio(value)
    if isinstance(value, str):
        return {"text": value}
    if value is None:
        return Bad("null instead of an object")
    if isinstance(value, list):
        return Bad("a list instead of an object")
    return Bad("a number instead of an object")


def _unpacked(rows: Iterable[Any]) -> Iterator[Any]:
    """Lines that hold a list of objects each give its objects."""
    for row in rows:
        if isinstance(row, list) and row and all(isinstance(value, dict) for value in row):
            yield from row
        else:
            yield row


# One value that holds the rows


def _rows_of(whole: Any) -> tuple[list[Any], tuple[str, ...]]:
    if not isinstance(whole, dict) or not whole:
        return [], ()
    for shape in (_split, _of_lists, _of_mappings, _of_texts):
        if shaped := shape(whole):
            return shaped
    path, rows = _list_inside(whole)
    # An object with a text of its own is one row, whatever lists it has.
    is_row = any(isinstance(value, str) and is_usual_name(name) for name, value in whole.items())
    if path and (path[-1] in _LIST_NAMES or not is_row):
        return rows, _list_notes(whole, path, rows)
    return [whole], ()


def _split(whole: dict[str, Any]) -> tuple[list[Any], tuple[str, ...]] | None:
    """Names in one list and rows in another, as pandas writes by ``orient="split"``."""
    lists = {name: value for name, value in whole.items() if isinstance(value, list) and value}
    where = next((name for name in _HEADER_NAMES if name in lists), "")
    names = lists.get(where, [])
    for name, rows in lists.items():
        if name == where or not all(isinstance(row, list) for row in rows):
            continue
        if len(names) == max(map(len, rows)) and all(isinstance(n, str) for n in names):
            made = [dict(zip(names, row, strict=False)) for row in rows]
            index = whole.get("index")
            if isinstance(index, list) and len(index) == len(rows) and index != [*range(len(rows))]:
                made = [{"index": i} | row for i, row in zip(index, made, strict=True)]
            return made, (f"The names are those under {where!r}, the rows those under {name!r}.",)
    return None


def _of_lists(whole: dict[str, Any]) -> tuple[list[Any], tuple[str, ...]] | None:
    """Lists of one length are columns."""
    columns = [value for value in whole.values() if isinstance(value, list)]
    if len(columns) < len(whole) or len({len(column) for column in columns}) != 1:
        return None
    # {"data": [{…}, …]}, or {"train": […], "test": […]}, are lists of rows
    if all(any(isinstance(cell, dict) for cell in column) for column in columns):
        return None
    rows = [dict(zip(whole, row, strict=True)) for row in zip(*columns, strict=True)]
    return rows, ()


def _of_mappings(whole: dict[str, Any]) -> tuple[list[Any], tuple[str, ...]] | None:
    """A row or a column under each name: pandas' orients ``"index"`` and ``"columns"``."""
    inner = [value for value in whole.values() if isinstance(value, dict) and value]
    if len(inner) < len(whole):
        return None
    # {"data": {"text": …}} is one row.
    if len(inner) == 1 and not (_are_numbers(inner[0]) or any(map(is_usual_name, whole))):
        return None
    shared = set.intersection(*(set(value) for value in inner))
    if not shared or any(isinstance(cell, dict) for cell in inner[0].values()):
        return None
    names = dict.fromkeys(name for value in inner for name in value)
    if _are_columns(whole, names):
        rows = [{column: cells.get(name) for column, cells in whole.items()} for name in names]
        index, kind = list(names), "column"
    else:
        rows, index, kind = inner, list(whole), "row"
    if index != [str(i) for i in range(len(index))]:
        rows = [{"index": name} | row for name, row in zip(index, rows, strict=True)]
    return rows, (f"Each name of the object was read as a {kind}.",)


def _of_texts(whole: dict[str, Any]) -> tuple[list[Any], tuple[str, ...]] | None:
    """A text under each number or id, as pandas writes one column: ``{"0": "…", "1": "…"}``."""
    if not all(isinstance(value, str | None) for value in whole.values()):
        return None
    counted = {re.sub(r"\d+", "", name) for name in whole if re.search(r"\d", name)}
    if len(counted) != 1 or not all(re.search(r"\d", name) for name in whole):
        return None
    if any(map(is_usual_name, whole)) or (len(whole) == 1 and not _are_numbers(whole)):
        return None
    rows: list[Any] = [{"text": text} for text in whole.values()]
    if [*whole] != [str(i) for i in range(len(whole))]:
        rows = [{"id": name} | row for name, row in zip(whole, rows, strict=True)]
    return rows, ("Each name of the object was read as the id of a text.",)


def _are_columns(outer: Mapping[str, Any], inner: Iterable[str]) -> bool:
    """Whether the outer names are those of columns and the inner ones those of rows."""
    inner = list(inner)
    if _are_numbers(inner) != _are_numbers(outer):
        return _are_numbers(inner)
    usual_inner, usual_outer = (sum(map(is_usual_name, names)) for names in (inner, outer))
    if usual_inner != usual_outer:
        return usual_outer > usual_inner
    return len(outer) <= len(inner)


def _are_numbers(names: Iterable[str]) -> bool:
    return all(name.lstrip("-").isdigit() for name in names)


def _list_inside(whole: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """The path to the list of rows in a page of an API, and the list; an empty path for none."""
    level: list[tuple[list[str], dict[str, Any]]] = [([], whole)]
    for _ in range(_DEEPEST):
        lists = [one for path, node in level for one in _lists(path, node)]
        if lists:
            path, rows = max(lists, key=lambda each: (each[0][-1] in _LIST_NAMES, len(each[1])))
            if path[-1] not in _LIST_NAMES:  # such as "train" beside "test"
                rows = [row for _, other in lists if _alike(rows, other) for row in other]
            return path, rows
        level = [
            ([*path, name], value)
            for path, node in level
            for name, value in node.items()
            if isinstance(value, dict)
        ]
    return [], []


def _lists(path: list[str], node: dict[str, Any]) -> list[tuple[list[str], list[Any]]]:
    """The lists in an object that may be rows: of objects, or of strings on the first level."""
    lists = [
        ([*path, name], value)
        for name, value in node.items()
        if isinstance(value, list) and value and all(isinstance(v, dict | str) for v in value)
    ]
    objects = [each for each in lists if any(isinstance(v, dict) for v in each[1])]
    # An object with a string or another list beside its list of strings is a row itself.
    is_row = bool(path) or len(lists) > 1 or any(isinstance(v, str) for v in node.values())
    return objects or ([] if is_row else lists)


def _alike(rows: list[Any], others: list[Any]) -> bool:
    """Whether two lists hold rows with the same names."""
    first, second = (next((r for r in each if isinstance(r, dict)), {}) for each in (rows, others))
    return rows is others or (bool(first) and first.keys() == second.keys())


def _list_notes(whole: dict[str, Any], path: list[str], rows: list[Any]) -> tuple[str, ...]:
    """Which lists were read, and which beside them were not."""
    node = whole
    for name in path[:-1]:
        node = node[name]
    read: list[str] = []
    unread: list[str] = []
    for where, other in _lists(path[:-1], node):
        (read if any(other[0] is row for row in rows) else unread).append(where[-1])
    joined = f" with those under {quoted_names(n for n in read if n != path[-1])}"
    return (
        f"The rows are those under {'.'.join(path)[:60]!r}{joined if len(read) > 1 else ''}.",
        *((f"What is under {quoted_names(unread)} was not read.",) if unread else ()),
    )


# Rows


def _with_lists(rows: list[Any]) -> list[Any]:
    """Rows that are lists, with the names of the first one where it is a header."""
    lists = [row for row in rows if isinstance(row, list) and row]
    if not lists or any(isinstance(row, dict) for row in rows):
        return rows
    width = max(map(len, lists))
    texts = [[cell_text(cell) for cell in row] for row in islice(lists, 500)]
    names = [""] * width
    if width > 1 and all(isinstance(c, str) for c in lists[0]) and is_header(texts[0], texts[1:]):
        names[: len(lists[0])] = lists[0]
        rows = [row for row in rows if row is not lists[0]]
    names = distinct_names(names)
    return [
        dict(zip(names, row, strict=False)) if isinstance(row, list) and row else row
        for row in rows
    ]


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """A column for each name, and for each name of an object one level below, as ``data.text``."""
    parts: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, dict):
                parts.setdefault(name, {}).update(dict.fromkeys(value))
    flat = {name for name, inner in parts.items() if 0 < len(inner) <= _MOST_PARTS}
    split = [_split_row(row, flat) for row in rows]
    names = dict.fromkeys(name for row in split for name in row)
    limit_columns(names)
    for name in _LABEL_NAMES & names.keys():
        cells = [row.get(name) for row in split]
        # As doccano writes a label; several at once stay a list.
        if all(cell is None or (isinstance(cell, list) and len(cell) < 2) for cell in cells):
            for row in split:
                row[name] = next(iter(row.get(name) or ()), None)
    return {name: [cell_text(row.get(name)) for row in split] for name in names}


def _split_row(row: dict[str, Any], flat: set[str]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if name in flat and isinstance(value, dict):
            for inner, cell in value.items():
                cells.setdefault(clean_text(f"{name}.{inner}"), cell)
        else:
            cells[clean_text(name)] = value
    return cells


def _label_studio(row: Mapping[str, Any]) -> dict[str, str]:
    """The choices that an annotator made in Label Studio, by the name of the question."""
    annotations = row.get("annotations", row.get("completions"))
    if not isinstance(row.get("data"), dict) or not isinstance(annotations, list):
        return {}
    labels: dict[str, str] = {}
    for annotation in annotations:
        results = annotation.get("result") if isinstance(annotation, dict) else None
        if not isinstance(results, list) or annotation.get("was_cancelled"):
            continue
        for result in results:
            value = result.get("value") if isinstance(result, dict) else None
            choices = value.get("choices", value.get("rating")) if isinstance(value, dict) else None
            choices = [choices] if isinstance(choices, int) else choices
            name = result.get("from_name") if isinstance(result, dict) else None
            if isinstance(choices, list) and isinstance(name, str) and name not in row:
                labels.setdefault(name, ", ".join(map(cell_text, choices)))
    return labels


def _refuse_deep_texts(rows: list[dict[str, Any]]) -> None:
    """Refuse rows whose texts lie in lists inside of lists, as SQuAD's do."""
    words: Counter[tuple[int, str]] = Counter()
    for row in rows[:50]:
        for name, value in row.items():
            _count_words(value, name, 0, words)
    flat = sum(n for (depth, _), n in words.items() if depth == 0)
    deepest = max(words, default=(0, ""))
    if deepest[0] > 1 and words.total() > 3 * flat:
        raise Unreadable(
            f"nests its texts in lists inside of lists, such as {deepest[1][:80]!r}; write one row "
            "for each text"
        )


def _count_words(
    value: Any, path: str, depth: int, words: Counter[tuple[int, str]], level: int = 0
) -> None:
    """Count the words of sentences by depth, which is the lists of objects around, and path."""
    if level > 12:
        return
    if isinstance(value, str):
        n = max(len(value.split()), len(value) // 12)
        if n >= 3:
            words[depth, path] += n
    elif isinstance(value, list):
        for each in value:
            _count_words(each, f"{path}[]", depth + isinstance(each, dict), words, level + 1)
    elif isinstance(value, dict):
        for name, each in value.items():
            _count_words(each, f"{path}.{name}", depth, words, level + 1)
