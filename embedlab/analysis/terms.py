"""What texts are counted by: words, and n-grams of characters where a script has no spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

#: How much of a text is read for its terms by default.
CHARACTERS = 4000
#: The shortest and the longest n-gram where there are no spaces, and where there are no words.
_UNSPACED_N, _PIECES_N = (2, 6), (3, 6)
#: Thai, Lao, Burmese, Khmer, kana, Han: written without spaces between words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_LETTER = rf"[^\W\d_{_UNSPACED}]"
#: Accents, points, and the signs of Indian scripts, which stand behind letters and are none.
_SIGNS = r"\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0900-\u0dff\u200c\u200d"
_RUN = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|\d*{_LETTER}(?:{_LETTER}|[\d{_SIGNS}])*")
#: No words: addresses of the web, and characters as HTML writes them (&lt;).
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|&#?\w+;")


def words(text: str, characters: int = CHARACTERS) -> Iterator[str]:
    """The words of a text in small letters, of two characters or more.

    Where a script has no spaces, the n-grams of 2 to 6 characters of each stretch. A word ends at
    an apostrophe; addresses of the web and bare numbers are none. ``characters`` of the text are
    read, and as many fewer where they give n-grams as these are more than words.
    """
    plain = unicodedata.normalize("NFC", _ADDRESS.sub(" ", text[:characters])).lower()
    for match in _RUN.finditer(plain):
        if match["unspaced"]:
            # Each character begins an n-gram of every length.
            most = (characters - match.start()) // _lengths(_UNSPACED_N)
            yield from _n_grams(match[0][: max(0, most)], *_UNSPACED_N)
        elif len(match[0]) > 1:
            yield match[0]


def pieces(text: str, characters: int = CHARACTERS) -> Iterator[str]:
    """The n-grams of 3 to 6 characters of a text without words, within what spaces separate."""
    read = text[: characters // _lengths(_PIECES_N)]
    for part in unicodedata.normalize("NFC", read).split():
        yield from _n_grams(part, *_PIECES_N)


def is_unspaced(term: str) -> bool:
    """Whether a term is an n-gram of a script without spaces."""
    match = _RUN.match(term)
    return bool(match and match["unspaced"])


def _n_grams(run: str, least: int, most: int) -> Iterator[str]:
    if 0 < len(run) < least:
        yield run
    for n in range(least, most + 1):
        for start in range(len(run) - n + 1):
            yield run[start : start + n]


def _lengths(ends: tuple[int, int]) -> int:
    return ends[1] - ends[0] + 1
