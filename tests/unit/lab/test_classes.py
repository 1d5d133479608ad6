"""A room's predictions: counted once a browser session, bounded, anonymous, never mixed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from embedlab.errors import EmbedLabError
from embedlab.lab import classes
from embedlab.lab.classes import Classes, class_name


def test_a_distribution_counts_answers_and_averages_how_sure_they_were():
    room = Classes()
    for who, answer, sure in [("p", "A", 60), ("q", "A", 90), ("r", "B", 50), ("s", "same", 100)]:
        assert room.answer("7b", "two-senses", 3, who, answer, sure)
    seen = room.distribution("7b", "two-senses", 3)
    assert dict(seen.counts) == {"A": 2, "B": 1, "same": 1} and seen.n == 4
    assert seen.certainty == pytest.approx((60 + 90 + 50 + 100) / 4)
    assert dict(seen.certainty_of) == {"A": 75, "B": 50, "same": 100}


def test_nobody_has_answered_yet():
    seen = Classes().distribution("7b", "two-senses", 3)
    assert seen.n == 0 and seen.certainty is None
    assert set(seen.certainty_of.values()) == {None}


def test_the_first_answer_of_a_session_stands():
    room = Classes()
    assert room.answer("7b", "mask", 1, "p", "A", 60)
    assert not room.answer("7b", "mask", 1, "p", "B", 99)
    assert room.answer("7b", "mask", 2, "p", "B", 99), "another question is another answer"
    assert dict(room.distribution("7b", "mask", 1).counts) == {"A": 1, "B": 0, "same": 0}


def test_two_classes_and_two_lessons_never_mix():
    room = Classes()
    room.answer("7a", "mask", 1, "p", "A", 60)
    room.answer("7b", "mask", 1, "p", "B", 70)
    room.answer("7a", "layers", 1, "p", "same", 80)
    assert room.distribution("7a", "mask", 1).counts["A"] == 1
    assert dict(room.distribution("7b", "mask", 1).counts) == {"A": 0, "B": 1, "same": 0}
    assert dict(room.distribution("7a", "layers", 1).counts) == {"A": 0, "B": 0, "same": 1}


def test_a_room_of_many_answering_at_once_loses_none_and_counts_none_twice():
    room, people, rooms = Classes(), 120, ("left", "right")
    calls = [
        (name, f"{name}-{p}", classes.ANSWERS[p % 3])
        for p in range(people)
        for name in rooms
        for _ in range(3)  # a nervous finger
    ]
    with ThreadPoolExecutor(24) as pool:
        counted = list(
            pool.map(lambda call: room.answer(call[0], "mask", 1, call[1], call[2], 75), calls)
        )
    assert sum(counted) == people * len(rooms)
    for name in rooms:
        assert dict(room.distribution(name, "mask", 1).counts) == {"A": 40, "B": 40, "same": 40}


@pytest.mark.parametrize("name", ["room-12", "7_b", "Ćwiczenia", "教室3", "x" * 40])
def test_names_that_a_class_can_have(name):
    assert class_name(name) == name.casefold()


def test_a_room_finds_its_class_however_it_types_the_name():
    room = Classes()
    room.answer("Room-12", "mask", 1, "p", "A", 60)
    assert room.distribution(" room-12 ", "mask", 1).n == 1


@pytest.mark.parametrize(
    "name", ["", " ", "-a", "a b", "x" * 41, "<script>", "a/b", "a\nb", "a=b", "x" * 10**6, "🧲"]
)
def test_names_that_no_class_can_have_say_what_is_accepted(name):
    with pytest.raises(EmbedLabError, match="letters, digits") as refused:
        class_name(name)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("answer", "sure", "says"),
    [("C", 60, "'C' is not an answer"), ("A", 49, "50 to 100"), ("A", 101, "50 to 100")],
)
def test_answers_out_of_range_are_refused(answer, sure, says):
    room = Classes()
    with pytest.raises(EmbedLabError, match=says):
        room.answer("7b", "mask", 1, "p", answer, sure)
    assert len(room) == 0


def test_not_a_number_is_no_certainty():
    with pytest.raises(EmbedLabError, match="out of range"):
        Classes().answer("7b", "mask", 1, "p", "A", float("nan"))


def test_a_class_is_forgotten_some_time_after_its_last_answer():
    clock = [0.0]
    room = Classes(now=lambda: clock[0])
    room.answer("old", "mask", 1, "p", "A", 60)
    clock[0] = classes.KEEP_SECONDS - 1
    room.answer("new", "mask", 1, "p", "A", 60)
    assert room.distribution("old", "mask", 1).n == 1
    clock[0] += 2
    assert room.distribution("old", "mask", 1).n == 0 and len(room) == 1
    assert room.distribution("new", "mask", 1).n == 1


def test_what_a_server_keeps_is_bounded(monkeypatch):
    for bound, most in {"MAX_CLASSES": 5, "MAX_QUESTIONS": 4, "MAX_ANSWERS": 3}.items():
        monkeypatch.setattr(classes, bound, most)
    room = Classes()
    for who in "pqr":
        room.answer("real", "mask", 1, who, "A", 60)
    with pytest.raises(EmbedLabError, match="3 answers to this question"):
        room.answer("real", "mask", 1, "s", "A", 60)
    for question in (2, 3, 4):
        room.answer("real", "mask", question, "p", "A", 60)
    with pytest.raises(EmbedLabError, match="answers to 4 questions"):
        room.answer("real", "mask", 5, "p", "A", 60)
    for number in range(50):  # somebody tries names out
        room.answer(f"tried-{number}", "mask", 1, "p", "B", 60)
    assert len(room) == 5
    assert room.distribution("real", "mask", 1).n == 3, "the class with people in it has stayed"


def test_nothing_that_is_kept_names_a_person():
    room = Classes()
    room.answer("7b", "mask", 1, "session-of-ada", "A", 60)
    room.answer("7a", "mask", 1, "session-of-ada", "A", 60)
    kept = [repr(each) for each in room._classes.values()]
    assert not any("ada" in text for text in kept)
    marks = [next(iter(each.answers["mask", 1])) for each in room._classes.values()]
    assert marks[0] != marks[1], "a person cannot be followed from one class to another"
