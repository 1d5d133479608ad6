"""Sound files in the shapes that programs and people write, each with what it holds.

Every writer gets texts with labels and gives a file's ending and its bytes. The texts stand in a
column of one of the ``names`` that a shape has, and no writer is code of EmbedLab.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Rows = Sequence[tuple[str, ...]]
Written = tuple[str, bytes]


def delimited(
    rows: Rows,
    *,
    delimiter: str = ",",
    quoting: int = csv.QUOTE_MINIMAL,
    header: Sequence[str] = ("text", "label"),
    lines: str = "\n",
    doublequote: bool = True,
    label_first: bool = False,
) -> str:
    """What Python's csv module writes."""
    sink = io.StringIO(newline="")
    writer = csv.writer(
        sink,
        delimiter=delimiter,
        quoting=quoting,
        lineterminator=lines,
        doublequote=doublequote,
        escapechar=None if doublequote else "\\",
    )
    order = -1 if label_first else 1
    writer.writerows(row[::order] for row in [tuple(header), *rows])
    return sink.getvalue()


def frame(rows: Rows) -> pd.DataFrame:
    """The rows as pandas holds them."""
    return pd.DataFrame(list(rows), columns=["text", "label"])


def records(rows: Rows, text: str = "text", label: str = "label") -> list[dict[str, str]]:
    """The rows as objects."""
    return [{text: t, label: name} for t, name in rows]


def parquet(table: pa.Table) -> bytes:
    """The bytes of a parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _r_names(rows: Rows) -> str:
    """R's write.table(sep=","): names of the rows, and none of them in the header."""
    numbered = [(str(i), *row) for i, row in enumerate(rows, start=1)]
    return '"text","label"\n' + _quoted(numbered)


def _at_ends(rows: Rows) -> str:
    header, *others = delimited([(*row, "") for row in rows]).split("\n", 1)
    return "\n".join([header, *others])


def _quoted(rows: Sequence[Sequence[str]]) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return sink.getvalue()


def _plain_tsv(rows: Rows) -> str:
    return "\n".join("\t".join(row) for row in [("text", "label"), *rows])


def _pretty(rows: Rows) -> str:
    return "\n".join(json.dumps(each, indent=2, ensure_ascii=False) for each in records(rows))


def _lines(rows: Rows) -> str:
    return "\n".join(json.dumps(each, ensure_ascii=False) for each in records(rows))


def _arrow(rows: Rows) -> pa.Table:
    texts, labels = zip(*rows, strict=True)
    return pa.table({"text": list(texts), "label": list(labels)})


def _class_label(rows: Rows) -> bytes:
    names = sorted({label for _, label in rows})
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": names, "_type": "ClassLabel"},
    }
    table = pa.table(
        {"text": [t for t, _ in rows], "label": [names.index(label) for _, label in rows]}
    )
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return parquet(table.replace_schema_metadata(metadata))


def _struct(rows: Rows) -> bytes:
    return parquet(pa.table({"id": range(len(rows)), "data": pa.array(records(rows))}))


def _beside_odd_columns(rows: Rows) -> bytes:
    n = len(rows)
    table = _arrow(rows)
    for name, values in {
        "embedding": pa.array([[0.25] * 40] * n, pa.list_(pa.float32())),
        "tags": pa.array([["one", "two"]] * n),
        "when": pa.array(range(n), pa.date32()),
        "kept": pa.array([i % 2 == 0 for i in range(n)]),
        "raw": pa.array([b"\xff\xfe\x00"] * n),
    }.items():
        table = table.append_column(name, values)
    return parquet(table)


#: Text shapes: the ending, the content, and the name of the column of the texts.
TEXT_SHAPES: dict[str, tuple[str, Callable[[Rows], str], str]] = {
    "csv": (".csv", delimited, "text"),
    "csv, all quoted": (".csv", lambda r: delimited(r, quoting=csv.QUOTE_ALL), "text"),
    "csv, label first": (".csv", lambda r: delimited(r, label_first=True), "text"),
    "csv, CRLF": (".csv", lambda r: delimited(r, lines="\r\n"), "text"),
    "csv, semicolons": (".csv", lambda r: delimited(r, delimiter=";"), "text"),
    "csv, tabs": (".csv", lambda r: delimited(r, delimiter="\t"), "text"),
    "csv, bars": (".csv", lambda r: delimited(r, delimiter="|"), "text"),
    "csv, sep=": (".csv", lambda r: "sep=;\r\n" + delimited(r, delimiter=";"), "text"),
    "csv, comments": (".csv", lambda r: "# exported\n# by us\n" + delimited(r), "text"),
    "csv, pandas' index": (".csv", lambda r: frame(r).to_csv(), "text"),
    "csv, names of rows": (".csv", _r_names, "text"),
    "csv, delimiters at the end": (".csv", _at_ends, "text"),
    "csv, other names": (
        ".csv",
        lambda r: delimited(r, header=("Was hat Ihnen gefallen?", "Gruppe")),
        "Was hat Ihnen gefallen?",
    ),
    "csv, escaped": (
        ".csv",
        lambda r: delimited(r, doublequote=False, quoting=csv.QUOTE_ALL),
        "text",
    ),
    "tsv": (".tsv", lambda r: delimited(r, delimiter="\t"), "text"),
    "tsv, plain": (".tsv", _plain_tsv, "text"),
    "json, records": (".json", lambda r: frame(r).to_json(orient="records"), "text"),
    "json, columns": (".json", lambda r: frame(r).to_json(), "text"),
    "json, index": (".json", lambda r: frame(r).to_json(orient="index"), "text"),
    "json, split": (".json", lambda r: frame(r).to_json(orient="split"), "text"),
    "json, table": (".json", lambda r: frame(r).to_json(orient="table"), "text"),
    "json, lists": (
        ".json",
        lambda r: json.dumps({"text": [t for t, _ in r], "label": [name for _, name in r]}),
        "text",
    ),
    "json, a page": (
        ".json",
        lambda r: json.dumps({"total": len(r), "data": records(r), "page": 1}),
        "text",
    ),
    "json, a deeper page": (
        ".json",
        lambda r: json.dumps({"took": 3, "hits": {"hits": [{"_source": x} for x in records(r)]}}),
        "_source.text",
    ),
    "json, nested": (
        ".json",
        lambda r: json.dumps([{"id": i, "data": x} for i, x in enumerate(records(r))]),
        "data.text",
    ),
    "json, pretty": (".json", lambda r: json.dumps(records(r), indent=2), "text"),
    "json, stream": (".json", _pretty, "text"),
    "json, lines": (".json", _lines, "text"),
    "jsonl": (".jsonl", _lines, "text"),
    "jsonl, stream": (".jsonl", _pretty, "text"),
    "jsonl, array": (".jsonl", lambda r: json.dumps(records(r), indent=1), "text"),
}
#: Parquet: the bytes, and the name of the column of the texts.
PARQUET_SHAPES: dict[str, tuple[Callable[[Rows], bytes], str]] = {
    "parquet": (lambda r: parquet(_arrow(r)), "text"),
    "parquet, class labels": (_class_label, "text"),
    "parquet, bytes": (
        lambda r: parquet(_arrow(r).cast(pa.schema([("text", pa.binary()), ("label", "string")]))),
        "text",
    ),
    "parquet, struct": (_struct, "data.text"),
    "parquet, odd columns": (_beside_odd_columns, "text"),
}


def write(shape: str, rows: Rows, encoding: str = "utf-8") -> tuple[Written, str]:
    """The file of a shape, and the name of its column of texts."""
    if shape in PARQUET_SHAPES:
        make, column = PARQUET_SHAPES[shape]
        return (".parquet", make(rows)), column
    ending, make_text, column = TEXT_SHAPES[shape]
    return (ending, make_text(rows).encode(encoding)), column
