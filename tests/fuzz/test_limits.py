"""The largest files that are allowed stay within the time and memory of spaces_config.yaml."""

from __future__ import annotations

import json
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fuzzing import clear
from support.shapes import Rows, write

from embedlab import EmbedLabError
from embedlab.data.readers import read_upload
from embedlab.lab.config import Limits
from embedlab.ui.shared.own_texts import MAX_ROWS

LIMITS = Limits()
MOST = LIMITS.max_upload_mb * 10**6


def _rows() -> Rows:
    """About 45 MB of texts, some of them with what has to be quoted."""
    random.seed(0)
    words = ["harbour", "was", "quiet,", 'and "cold"', "naß;", "morning", "it's", "we", "leave"]
    return [
        (f"{i} " + " ".join(random.choices(words, k=40)), random.choice("abc"))
        for i in range(160_000)
    ]


@pytest.fixture(scope="module")
def rows() -> Rows:
    return _rows()


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [
        *("csv", "csv, escaped", "tsv, plain", "jsonl", "json, records", "json, columns"),
        *("json, stream", "json, nested", "parquet", "parquet, struct"),
    ],
)
def test_an_honest_file_is_read(tmp_path: Path, rows: Rows, shape: str) -> None:
    (ending, content), column = write(shape, rows)
    while len(content) > MOST:
        (ending, content), column = write(
            shape, rows[: int(len(rows) * MOST / len(content) * 0.99)]
        )
    path = tmp_path / f"large{ending}"
    path.write_bytes(content)
    seconds, peak, table = measured(path)
    print(f"\n{shape}: {len(content) / 1e6:.0f} MB in {seconds:.1f} s, {peak:.2f} GB")
    assert len(table.columns[column]) == MAX_ROWS
    assert table.columns[column][-1] == rows[MAX_ROWS - 1][0]
    assert seconds < LIMITS.max_read_seconds / 2


def measured(path: Path):
    """Seconds, the peak of all children so far in GB, and the table."""
    start = time.perf_counter()
    table = read_upload(path, max_bytes=MOST, max_texts=MAX_ROWS, bounds=LIMITS.reading)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    assert peak < LIMITS.max_read_mb / 1e3
    return time.perf_counter() - start, peak, table


HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "open quotes": (".csv", lambda: b"text,label\n" + b'"a,b\n' * (MOST // 5 - 10)),
    "stray quotes in tsv": (".tsv", lambda: b"text\tlabel\n" + b'"a"b\tc\n' * (MOST // 7 - 10)),
    "ragged rows": (".csv", lambda: b"text,label\n" + b"a\n" * (MOST // 2 - 10)),
    "blank lines": (".csv", lambda: b"text,label\na,b\n" + b"\n" * (MOST - 100)),
    "one line": (".csv", lambda: b'a,"b";c|\t' * (MOST // 9)),
    "backslashes": (".csv", lambda: b"text,label\n" + b'"\\"a\\\\",b\n' * (MOST // 10 - 10)),
    "bad bytes": (".csv", lambda: b"text,label\n" + b"a \xff\xfe\x81\x30,b\n" * (MOST // 9 - 10)),
    "comments": (".csv", lambda: b"# \n" * (MOST // 3 - 10) + b"text\na\n"),
    "bad lines": (".jsonl", lambda: b'{"text": "a"}\n' + b"{\n" * (MOST // 2 - 20)),
    "bad elements": (
        ".json",
        lambda: b"[" + b'{"text": a},\n' * (MOST // 13 - 10) + b'{"text": ""}]',
    ),
    "bad long elements": (
        ".json",
        lambda: b"[" + (b'{"t": "' + b"a" * 10**5) * (MOST // 10**5 - 50),
    ),
    "empty objects": (".json", lambda: b"[" + b"{}," * (MOST // 3 - 10) + b"{}]"),
    "numbers": (".json", lambda: b"[" + b"1," * (MOST // 2 - 10) + b'{"text": "a b c"}]'),
    "names": (
        ".jsonl",
        lambda: b"".join(b'{"%d": {"%d": 1}}\n' % (i, i) for i in range(2 * 10**6)),
    ),
    "wide lists": (".jsonl", lambda: json.dumps({"text": [0.5] * (MOST // 5 - 100)}).encode()),
    "nesting": (".json", lambda: b'{"a":[' * (MOST // 6 - 10)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_costs_a_sentence_at_most(tmp_path: Path, name: str) -> None:
    ending, make = HOSTILE[name]
    path = tmp_path / f"hostile{ending}"
    content = make()
    assert 0.9 * MOST < len(content) <= MOST or name == "names"
    path.write_bytes(content)
    start = time.perf_counter()
    try:
        _, peak, table = measured(path)
        said = f"{len(table.row_numbers):,} rows, {peak:.2f} GB"
    except EmbedLabError as error:
        clear(str(error))
        said = str(error)
    seconds = time.perf_counter() - start
    print(f"\n{name}: {seconds:.1f} s, {said[:150]}")
    assert seconds < LIMITS.max_read_seconds + 5
