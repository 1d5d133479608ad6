"""Words too common to name anything, in the languages that texts are written in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache

from embedlab.analysis.terms import is_unspaced, words

#: A language counts if its stop words are this share of the words that no other has explained:
#: of a text in it they are 30 to 50 %, of a text in another 2 to 6 %.
_SHARE = 0.1
#: And if so many different ones are there: one may be a name in another language.
_FEWEST = 4
_MOST_LANGUAGES = 4
#: On scikit-learn's English list, but names of subjects: of a match, a river or an account.
_SUBJECTS = {
    *("amount", "bill", "bottom", "call", "cry", "detail", "fire", "interest", "mill", "mine"),
    *("name", "system"),
}


def stop_words(counts: Mapping[str, int]) -> set[str]:
    """The stop words among words, given how often each was counted.

    The languages are told by the words themselves: first the one whose stop words are most of
    them, then the one that explains most of the others, and so on. An n-gram of a script without
    spaces is one if it holds a word of a single character that is: it crosses a word's border.
    """
    found = {word for word in counts if is_unspaced(word) and not _particles().isdisjoint(word)}
    left = Counter({word: n for word, n in counts.items() if not is_unspaced(word)})
    for _ in range(_MOST_LANGUAGES):
        explained = {language: words & left.keys() for language, words in _lists().items()}
        best = max(explained.values(), key=lambda some: sum(left[word] for word in some))
        if len(best) < _FEWEST or sum(left[word] for word in best) < _SHARE * left.total():
            break
        found |= best
        for word in best:
            del left[word]
    return found


@cache
def _lists() -> dict[str, frozenset[str]]:
    """The stop words of each language whose script has spaces, as :func:`words` counts them."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
    from stop_words import AVAILABLE_LANGUAGES, get_stop_words

    lists = {language: _as_counted(get_stop_words(language)) for language in AVAILABLE_LANGUAGES}
    # The English list of stop-words has 1,300 words, "computer" and "problem" among them.
    short = [word for word in get_stop_words("english") if "'" in word]
    bare = [word.removesuffix("n't") for word in short]
    lists["english"] = _as_counted([*ENGLISH_STOP_WORDS, *short, *bare]) - _SUBJECTS
    return lists


@cache
def _particles() -> frozenset[str]:
    """The stop words of one character in scripts without spaces."""
    from stop_words import get_stop_words

    listed = [*get_stop_words("chinese"), *get_stop_words("japanese")]
    return frozenset(word for word in listed if len(word) == 1)


def _as_counted(listed: Iterable[str]) -> frozenset[str]:
    return frozenset(part for word in listed if " " not in word for part in words(word))
