"""What texts are counted by: words, and n-grams of characters where a script has no spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

#: How much of a text is read for its terms.
_CHARACTERS = 4000
#: Thai, Lao, Burmese, Khmer, kana, Han: written without spaces between words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_LETTER = rf"[^\W\d_{_UNSPACED}]"
#: Accents, points, and the signs of Indian scripts, which stand behind letters and are none.
_SIGNS = r"\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0900-\u0dff\u200c\u200d"
_RUN = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|\d*{_LETTER}(?:{_LETTER}|[\d{_SIGNS}])*")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")


def words(text: str) -> Iterator[str]:
    """The words of a text in small letters, of two characters or more.

    Where a script has no spaces, the n-grams of 2 to 6 characters of each stretch. A word ends at
    an apostrophe; addresses of the web and bare numbers are none.
    """
    plain = unicodedata.normalize("NFC", _ADDRESS.sub(" ", text[:_CHARACTERS])).lower()
    for found in _RUN.finditer(plain):
        if found["unspaced"]:
            yield from _n_grams(found[0], 2, 6)
        elif len(found[0]) > 1:
            yield found[0]


def pieces(text: str) -> Iterator[str]:
    """The n-grams of 3 to 6 characters of a text without words, within what spaces separate."""
    for part in unicodedata.normalize("NFC", text[:_CHARACTERS]).split():
        yield from _n_grams(part, 3, 6) if len(part) > 3 else (part,)


def _n_grams(run: str, least: int, most: int) -> Iterator[str]:
    if len(run) < least:
        yield run
    for n in range(least, most + 1):
        for start in range(len(run) - n + 1):
            yield run[start : start + n]


def is_unspaced(term: str) -> bool:
    """Whether a term is an n-gram of a script without spaces."""
    found = _RUN.match(term)
    return bool(found and found["unspaced"])
