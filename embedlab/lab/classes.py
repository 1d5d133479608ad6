"""A room's predictions: who is in a class stays unknown, what they answered is counted.

Everything is in memory, bounded, and forgotten some hours after its last use. A class is opened by
its first answer; nobody owns it, and whoever knows its name can answer and see the counts.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

from embedlab.errors import EmbedLabError, check_known
from embedlab.text import shorten

#: What can be predicted: A is higher, B is higher, there is no difference.
ANSWERS = ("A", "B", "same")
#: How sure one can be, in percent: a coin is right as often as the least of it.
LEAST_SURE, MOST_SURE = 50, 100
#: Bounds of what one server keeps.
MAX_CLASSES, MAX_QUESTIONS, MAX_ANSWERS, MAX_NAME = 100, 100, 500, 40
#: How long a class is kept after its last answer.
KEEP_SECONDS = 6 * 3600
_NAME = re.compile(r"\w[\w-]*")


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """What a class answered to one question.

    ``counts`` has every answer of :data:`ANSWERS`; ``certainty`` is the mean over all answers in
    percent, and ``certainty_of`` that over those who gave one answer; None where nobody did.
    """

    counts: MappingProxyType[str, int]
    certainty: float | None
    certainty_of: MappingProxyType[str, float | None]

    @property
    def n(self) -> int:
        """How many answered."""
        return sum(self.counts.values())


@dataclass
class _Class:
    """One room: by question, by a person's mark, what they answered and how sure they were."""

    used: float
    #: Makes of a browser session a mark that says nothing about it, another one in every class.
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    answers: dict[tuple[str, int], dict[str, tuple[str, int]]] = field(default_factory=dict)

    @property
    def people(self) -> int:
        return max(map(len, self.answers.values()), default=0)


class Classes:
    """The classes of a server; safe to use from many threads.

    Args:
        now: the clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._classes: OrderedDict[str, _Class] = OrderedDict()  # the longest unused first

    def answer(
        self, name: str, lesson: str, question: int, who: str, answer: str, sure: float
    ) -> bool:
        """Count a prediction. One person's first to a question is counted, later ones are not.

        Args:
            name: the class's, as :func:`class_name` accepts it.
            lesson: the lesson's id.
            question: the number of the question in the lesson.
            who: names the browser session; only a salted hash of it is kept.
            answer: one of :data:`ANSWERS`.
            sure: 50 to 100 percent.

        Returns:
            Whether it was counted.

        Raises:
            EmbedLabError: a name, answer or certainty that cannot be, or a class that is full.
        """
        key = class_name(name)
        check_known(answer, "an answer", ANSWERS)
        if not LEAST_SURE <= sure <= MOST_SURE:
            raise EmbedLabError(
                f"{sure:g} % sure is out of range; say {LEAST_SURE} to {MOST_SURE}."
            )
        with self._lock:
            room = self._opened(key)
            asked = (shorten(lesson, MAX_NAME), int(question))
            if asked not in room.answers and len(room.answers) >= MAX_QUESTIONS:
                raise EmbedLabError(
                    f"The class {key!r} has answers to {MAX_QUESTIONS} questions, which is all "
                    "that is kept; use another name for the next lessons."
                )
            given = room.answers.setdefault(asked, {})
            mark = hashlib.sha256(room.salt + who.encode("utf-8", "replace")).hexdigest()[:16]
            if mark in given:
                return False
            if len(given) >= MAX_ANSWERS:
                raise EmbedLabError(
                    f"The class {key!r} has {MAX_ANSWERS} answers to this question, which is all "
                    "that is kept; use another name."
                )
            given[mark] = (answer, round(sure))
            return True

    def distribution(self, name: str, lesson: str, question: int) -> Distribution:
        """What a class answered to a question so far; all zeros where nobody did.

        Raises:
            EmbedLabError: a name that cannot be.
        """
        key = class_name(name)
        with self._lock:
            self._forget()
            room = self._classes.get(key)
            asked = (shorten(lesson, MAX_NAME), int(question))
            given = list(room.answers.get(asked, {}).values()) if room else []
        of = {answer: [sure for said, sure in given if said == answer] for answer in ANSWERS}
        return Distribution(
            counts=MappingProxyType({answer: len(sures) for answer, sures in of.items()}),
            certainty=_mean([sure for _, sure in given]),
            certainty_of=MappingProxyType({answer: _mean(sures) for answer, sures in of.items()}),
        )

    def __len__(self) -> int:
        with self._lock:
            self._forget()
            return len(self._classes)

    def _opened(self, key: str) -> _Class:
        """The class of a name, which is new where there is none; the lock is held."""
        self._forget()
        if key not in self._classes and len(self._classes) >= MAX_CLASSES:
            # Rather one that somebody tried out than one with a room in it.
            smallest = min(self._classes, key=lambda name: self._classes[name].people)
            del self._classes[smallest]
        room = self._classes.setdefault(key, _Class(self._now()))
        room.used = self._now()
        self._classes.move_to_end(key)
        return room

    def _forget(self) -> None:
        """Drop the classes that nobody has used for long; the lock is held."""
        oldest = self._now() - KEEP_SECONDS
        while self._classes and next(iter(self._classes.values())).used < oldest:
            self._classes.popitem(last=False)


def class_name(name: str) -> str:
    """A class's name as it is kept: in small letters, so that a room finds it however it types.

    Raises:
        EmbedLabError: it is too long, or has other characters than letters, digits, - and _.
    """
    plain = unicodedata.normalize("NFKC", str(name)[: 4 * MAX_NAME]).strip().casefold()
    if len(plain) > MAX_NAME or not _NAME.fullmatch(plain):
        raise EmbedLabError(
            f"{shorten(str(name), 40)!r} cannot be the name of a class; use up to {MAX_NAME} "
            "letters, digits, - and _, such as class=room-12."
        )
    return plain


def _mean(numbers: list[int]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None
