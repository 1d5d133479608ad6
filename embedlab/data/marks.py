"""Judgements made by hand: which texts answer which query, on top of what a corpus brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedlab.data.corpus import Corpus, Relevant, grades_of
from embedlab.data.decoding import decode
from embedlab.data.judgements import QUERY_IDS, read_judgements
from embedlab.data.tables import named_column, text_lines
from embedlab.text import clean_text, one_line

#: By query, then by text: its grade, 0 where it is not relevant. Texts and no numbers, so that a
#: judgement holds in every sample of a corpus.
Marks = Mapping[str, Mapping[str, float]]
#: The columns of saved judgements: BEIR's three, and the words of the query.
HEADER = ("query-id", "corpus-id", "score", "query")


def marked(marks: Marks, query: str, text: str, grade: float) -> Marks:
    """The marks with one more; the same grade once more takes the mark back."""
    of_query = {**marks.get(query, {})}
    if of_query.get(text) == grade:
        del of_query[text]
    else:
        of_query[text] = grade
    others = {name: texts for name, texts in marks.items() if name != query}
    return others | ({query: of_query} if of_query else {})


def judged(corpus: Corpus, marks: Marks) -> Corpus:
    """The corpus with these marks among its judgements.

    A mark decides over the corpus's own judgement; a text that is relevant already keeps its grade.
    Queries that only have marks stand behind the corpus's own, if one of their texts is there.
    """
    numbers: dict[str, list[int]] = {}
    for i, text in enumerate(corpus.texts):
        numbers.setdefault(text, []).append(i)
    known = {query for query, texts in marks.items() if not numbers.keys().isdisjoint(texts)}
    if not known:
        return corpus
    new = [query for query in marks if query in known - {*corpus.queries}]
    own = zip(corpus.queries, corpus.relevant, strict=True)
    relevant = [_decided(texts, marks.get(query, {}), numbers) for query, texts in own]
    relevant += [_decided(frozenset(), marks[query], numbers) for query in new]
    ids = corpus.query_ids
    if ids:
        free = (f"hand{n}" for n in range(1, len(ids) + len(new) + 1) if f"hand{n}" not in ids)
        ids = (*ids, *(next(free) for _ in new))
    return replace(corpus, queries=(*corpus.queries, *new), relevant=tuple(relevant), query_ids=ids)


def _decided(
    relevant: Relevant, marks: Mapping[str, float], numbers: Mapping[str, Sequence[int]]
) -> Relevant:
    grades = grades_of(relevant)
    for text, grade in marks.items():
        for i in numbers.get(text, ()):
            if grade > 0:
                grades.setdefault(i, grade)
            else:
                grades.pop(i, None)
    return frozenset(grades) if {*grades.values()} <= {1.0} else grades


def qrels(corpus: Corpus, marks: Marks) -> str:
    """The judgements of a corpus and those made by hand, as tab-separated lines.

    BEIR's columns, and the words of the query in a fourth; texts are named by their ids, or by
    their numbers in their source. Texts that were marked as not relevant have the score 0.
    """
    whole = judged(corpus, marks)
    ids = whole.query_ids or tuple(f"q{n}" for n in range(1, len(whole.queries) + 1))
    documents = whole.ids or tuple(map(str, whole.rows))
    lines: list[tuple[str, ...]] = [HEADER]
    for query_id, query, relevant in zip(ids, whole.queries, whole.relevant, strict=True):
        refused = {text for text, grade in marks.get(query, {}).items() if grade <= 0}
        grades = {i: 0.0 for i, text in enumerate(whole.texts) if text in refused}
        for i, grade in sorted((grades | grades_of(relevant)).items()):
            cells = (query_id, documents[i], f"{grade:g}", query)
            lines.append((*map(one_line, cells),))
    return "".join("\t".join(line) + "\n" for line in lines)


@dataclass(frozen=True, kw_only=True)
class ReadMarks:
    """The judgements of a file: query id, document id and grade each; and the queries' words."""

    rows: Sequence[tuple[str, str, float]]
    words: Mapping[str, str]
    unusable: int


def read_marks(path: Path) -> ReadMarks:
    """Judgements as :func:`qrels` writes them, or any other that EmbedLab reads.

    Raises:
        EmbedLabError: the file has other columns.
    """
    read = read_judgements(path)
    lines = [line.split("\t") for line in text_lines(clean_text(decode(path.read_bytes())[0]))]
    words: dict[str, str] = {}
    header = [cell.strip() for cell in lines[0]] if lines else []
    if (column := named_column(header, QUERY_IDS)) is not None and HEADER[-1] in header:
        places = header.index(column), header.index(HEADER[-1])
        full = [line for line in lines[1:] if len(line) > max(places)]
        words = {line[places[0]].strip(): line[places[1]].strip() for line in full}
    rows = [(query, document, grade) for query, document, grade, _ in read.rows]
    return ReadMarks(rows=rows, words=words, unusable=len(read.unusable))


def with_read(marks: Marks, read: ReadMarks, corpus: Corpus) -> tuple[Marks, str]:
    """The marks with those of a file for a corpus, and what became of them in a sentence.

    What the corpus says itself is no mark; queries and texts that it does not have are counted.
    """
    by_words = {one_line(query): query for query in corpus.queries}
    queries = dict(zip(corpus.query_ids, corpus.queries, strict=False))
    queries |= {key: by_words.get(text, text) for key, text in read.words.items()}
    documents = dict(zip(corpus.ids or map(str, corpus.rows), corpus.texts, strict=True))
    own = {
        (query, corpus.texts[i]): grade
        for query, relevant in zip(corpus.queries, corpus.relevant, strict=True)
        for i, grade in grades_of(relevant).items()
    }
    result = {query: dict(texts) for query, texts in marks.items()}
    used, unknown = 0, ""
    for query_id, document, grade in read.rows:
        if query_id not in queries or document not in documents:
            unknown = unknown or (query_id if query_id not in queries else document)
            continue
        used += 1
        query, text = queries[query_id], documents[document]
        if own.get((query, text)) != grade:
            result.setdefault(query, {})[text] = max(grade, 0.0)
    lost = len(read.rows) - used + read.unusable
    said = f"{used:,} of {used + lost:,} judgements were read."
    if unknown:
        said += f" Others name a query or a text that is not there, such as {unknown[:40]!r}."
    return result, said
