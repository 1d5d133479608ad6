"""The built-in corpora by name."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from embedlab.data.built_in import BuiltIn, Parts, read_json_lines
from embedlab.data.corpus import Corpus
from embedlab.data.tables import count_note
from embedlab.progress import Progress, no_progress


def _read_senses(folder: Path) -> Parts:
    rows = read_json_lines(folder / "senses.jsonl")
    queries = read_json_lines(folder / "senses_queries.jsonl")
    return Parts(
        texts=tuple(row["text"] for row in rows),
        fields={k: tuple(row[k] for row in rows) for k in ("sense", "word", "context")},
        queries=tuple(row["query"] for row in queries),
        relevant=tuple(frozenset(row["relevant"]) for row in queries),
    )


def _read_stsb(folder: Path) -> Parts:
    # Tab-separated without quoting; up to two columns of attributions may follow the sentences.
    lines = (folder / "sts-test.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    genres: dict[str, str] = {}
    pairs, groups = [], []
    for genre, file, year, _, score, *sentences in rows:
        first, second = (sentence.strip() for sentence in sentences[:2])
        genres.setdefault(first, genre)
        genres.setdefault(second, genre)
        pairs.append((first, second, float(score)))
        groups.append(f"{file} {year}")
    index = {text: i for i, text in enumerate(genres)}
    return Parts(
        texts=tuple(genres),
        fields={"genre": tuple(genres.values())},
        pairs=tuple((index[first], index[second], score) for first, second, score in pairs),
        pair_groups=tuple(groups),
    )


def _read_boolq(folder: Path) -> Parts:
    rows = read_json_lines(folder / "dev.jsonl")
    texts, _ = _unique(row["passage"] for row in rows)
    index = {text: i for i, text in enumerate(texts)}
    return Parts(
        texts=texts,
        queries=tuple(row["question"] for row in rows),
        relevant=tuple(frozenset({index[row["passage"]]}) for row in rows),
    )


def _read_semanlink(folder: Path) -> Parts:
    documents = json.loads((folder / "arxiv.json").read_text(encoding="utf-8"))
    tags = json.loads((folder / "tags.json").read_text(encoding="utf-8"))
    relevant: dict[str, set[int]] = {}
    for i, document in enumerate(documents):
        for tag in document["tag"]:
            relevant.setdefault(tag, set()).add(i)
    # Every document has the tag arxiv_doc, and a tag of one document gives nothing to rank.
    queries = [t for t in relevant if not t.endswith("/arxiv_doc") and len(relevant[t]) > 1]
    return Parts(
        texts=tuple(
            " ".join(f"{document['arxiv_title']}. {document['arxiv_summary']}".split())
            for document in documents
        ),
        queries=tuple(" ".join(tags[tag]["prefLabel"]) for tag in queries),
        relevant=tuple(frozenset(relevant[tag]) for tag in queries),
        notes=("Only tags of two or more abstracts are queries.",),
    )


def _read_trec(folder: Path) -> Parts:
    lines = (folder / "question_labels.txt").read_text(encoding="latin-1").splitlines()
    rows, notes = _unique(lines)
    kinds, texts = zip(*(row.split(" ", 1) for row in rows), strict=True)
    return Parts(
        texts=tuple(text.strip() for text in texts),
        fields={"coarse": tuple(kind.partition(":")[0] for kind in kinds), "fine": kinds},
        notes=notes,
    )


def _read_sms(folder: Path) -> Parts:
    content = (folder / "sms-spam.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    repeated = len(rows) - len({row["text"] for row in rows})
    return Parts(
        texts=tuple(row["text"] for row in rows),
        fields={"label": tuple("spam" if row["spam"] == "1" else "ham" for row in rows)},
        notes=(f"{repeated:,} messages repeat an earlier one.",),
    )


def _read_bbc(folder: Path) -> Parts:
    sections: dict[str, str] = {}
    paths = sorted(folder.glob("*/*.txt"))
    for path in paths:
        data = path.read_bytes()
        try:
            article = data.decode("utf-8")
        except UnicodeDecodeError:  # one article is Latin-1
            article = data.decode("latin-1")
        sections.setdefault(article.strip(), path.parent.name)
    return Parts(
        texts=tuple(sections),
        fields={"label": tuple(sections.values())},
        notes=count_note(len(paths) - len(sections), "repeated text", "left out"),
    )


def _read_summaries(folder: Path) -> Parts:
    # Each subject: a short report, two summaries of it, and six candidates graded 5 to 0.
    texts: list[tuple[str, str, str]] = []
    pairs, groups = [], []
    for row in read_json_lines(folder / "summaries.jsonl"):
        subject, graded = row["subject"], row["candidates"]
        first = len(texts) + 1
        texts.append((row["text"], subject, "report"))
        texts += [(text, subject, "summary") for text in row["summaries"]]
        after = len(texts)
        texts += [(text, subject, "candidate") for text, _ in graded]
        for i in range(first, after):
            pairs += [(i, after + j, float(grade)) for j, (_, grade) in enumerate(graded)]
            groups += [subject] * len(graded)
    written, subjects, kinds = zip(*texts, strict=True)
    return Parts(
        texts=written,
        fields={"subject": subjects, "kind": kinds},
        pairs=tuple(pairs),
        pair_groups=tuple(groups),
        notes=("The grades are of who wrote the summaries, by a rule, and not of a jury.",),
    )


def _unique(rows: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The rows in their order without repetitions, and a note on those left out."""
    counts = Counter(rows)
    return tuple(counts), count_note(counts.total() - len(counts), "repeated text", "left out")


BUILT_IN = BuiltIn(
    "corpus",
    {
        "senses": _read_senses,
        "stsb": _read_stsb,
        "boolq": _read_boolq,
        "semanlink": _read_semanlink,
        "trec": _read_trec,
        "sms-spam": _read_sms,
        "bbc": _read_bbc,
        "summaries": _read_summaries,
    },
    lambda entry, progress: Corpus(**entry.parts(progress)),
)
CORPORA = BUILT_IN.entries


def load_corpus(corpus_id: str, progress: Progress = no_progress) -> Corpus:
    """A whole built-in corpus; fetched at first use and then cached in memory.

    Raises:
        EmbedLabError: an unknown id, or files that cannot be fetched or are damaged.
    """
    return BUILT_IN.load(corpus_id, progress)
