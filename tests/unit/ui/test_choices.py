"""What the controls say while answers and events cross: the visitor's later choice stays."""

from __future__ import annotations

import gradio as gr
import pytest

from embedlab.ui.shared.choices import Choices


class Controls:
    """A few controls, and the browser's side of a session."""

    def __init__(self) -> None:
        with gr.Blocks():
            self.revision, self.corpus, self.sample, self.preset, self.attention = (
                gr.Textbox() for _ in range(5)
            )
        self.screen = {
            self.corpus: "senses",
            self.sample: 160,
            self.preset: "M1",
            self.attention: "causal",
        }
        self.seen = 0
        self.choices = Choices()
        self.event()

    def event(self, **values: object) -> tuple[int, set]:
        """The visitor sets controls; their names are the attributes."""
        self.screen |= {getattr(self, name): value for name, value in values.items()}
        return self.choices.arrive(dict(self.screen), self.seen)

    def answer(self) -> dict:
        """An answer leaves the server."""
        return self.choices.answer(self.revision)

    def receive(self, answer: dict) -> None:
        """The browser shows it."""
        revision = answer.pop(self.revision)
        self.seen = revision if isinstance(revision, int) else self.seen
        self.screen |= {c: update["value"] for c, update in answer.items() if "value" in update}

    def agree(self, **values: object) -> bool:
        """Whether browser and server say the same, and this."""
        expected = self.screen | {getattr(self, name): value for name, value in values.items()}
        return self.choices.current() == self.screen == expected


@pytest.fixture
def controls() -> Controls:
    return Controls()


def test_an_event_names_what_the_visitor_changed(controls):
    number, changed = controls.event(corpus="trec")
    assert changed == {controls.corpus} and controls.event() == (number + 1, set())


def test_a_setting_counts_before_the_browser_has_it(controls):
    number, _ = controls.event()  # pasted texts
    controls.choices.settle(number, {controls.corpus: "own", controls.sample: 5})
    _, changed = controls.event(attention="bidirectional")
    assert changed == {controls.attention}
    assert controls.choices.current()[controls.corpus] == "own"
    controls.receive(controls.answer())
    assert controls.agree(corpus="own", sample=5, attention="bidirectional")
    assert controls.event()[1] == set()
    assert controls.answer().keys() == {controls.revision}  # confirmed: nothing left to send


def test_an_event_that_arrives_late_changes_nothing(controls):
    """The page's first report of a tab, say, with the controls as they were before a link."""
    before = dict(controls.screen)
    number, _ = controls.event()
    controls.choices.settle(number, {controls.preset: "M5", controls.sample: 40})
    controls.receive(controls.answer())
    controls.event(corpus="trec")
    now = controls.choices.current()
    assert controls.choices.arrive({**before, "the open tab": "map"}, 0)[1] == set()
    assert controls.choices.current() == {**now, "the open tab": "map"}
    assert controls.event()[1] == set()
    assert controls.agree(preset="M5", sample=40, corpus="trec")


def test_a_choice_made_again_after_the_server_changed_it_is_a_change(controls):
    controls.event(corpus="trec")
    number, _ = controls.event()
    controls.choices.settle(number, {controls.corpus: "own"})
    controls.receive(controls.answer())
    assert controls.event(corpus="trec")[1] == {controls.corpus}


def test_what_the_screen_still_says_can_be_chosen_again(controls):
    number, _ = controls.event()
    controls.choices.settle(number, {controls.corpus: "own"})
    values = dict(controls.screen)
    assert controls.choices.arrive(values, 0)[1] == set()
    assert controls.choices.arrive(values, 0, controls.corpus)[1] == {controls.corpus}
    controls.receive(controls.answer())
    assert controls.agree(corpus="senses")


def test_an_unfinished_action_does_not_undo_a_later_choice(controls):
    trec, _ = controls.event(corpus="trec")
    controls.choices.promise(trec, [controls.sample])
    spam, _ = controls.event(corpus="spam")
    controls.choices.promise(spam, [controls.sample])
    controls.choices.settle(spam, {controls.sample: gr.update(value=400, maximum=2000)})
    controls.choices.settle(trec, {controls.sample: gr.update(value=300, maximum=500)})
    answer = controls.answer()
    assert answer[controls.sample]["maximum"] == 2000
    controls.receive(answer)
    assert controls.agree(corpus="spam", sample=400)


def test_what_is_entered_again_counts_against_an_action_that_is_under_way(controls):
    controls.event(preset="one query")
    # A list of queries tells that it is left: its action is going to set the query once more.
    controls.screen[controls.preset] = "another query"
    number, _ = controls.choices.arrive(dict(controls.screen), controls.seen, controls.sample)
    controls.choices.promise(number, {controls.preset})
    controls.choices.arrive(dict(controls.screen), controls.seen, controls.preset)
    controls.choices.settle(number, {controls.preset: "a query of the list"})
    assert controls.choices.current()[controls.preset] == "another query"
    controls.receive(controls.answer())
    assert controls.agree(preset="another query")


def test_a_range_arrives_although_the_value_was_chosen_meanwhile(controls):
    trec, _ = controls.event(corpus="trec")
    controls.choices.promise(trec, [controls.sample])
    controls.event(sample=50)
    controls.choices.settle(trec, {controls.sample: gr.update(value=300, maximum=500)})
    answer = controls.answer()
    assert answer[controls.sample] == gr.update(value=50, maximum=500)
    controls.receive(answer)
    assert controls.agree(corpus="trec", sample=50)


def test_a_value_beyond_a_new_range_is_moved_into_it(controls):
    for late in (False, True):
        pasted, _ = controls.event(corpus=f"own {late}")
        controls.choices.promise(pasted, [controls.sample])
        if late:
            controls.event(sample=21)
        controls.choices.settle(pasted, {controls.sample: gr.update(value=5, maximum=5)})
        if not late:
            controls.event(sample=20)
        controls.receive(controls.answer())
        assert controls.agree(sample=5)


def test_an_answer_that_crosses_a_choice_is_put_right_by_the_next(controls):
    preset, _ = controls.event(preset="M3")
    controls.choices.settle(preset, {controls.attention: "bidirectional"})
    crossing = controls.answer()
    controls.event(attention="none")
    controls.receive(crossing)  # shows "bidirectional" for a moment
    controls.receive(controls.answer())
    assert controls.agree(preset="M3", attention="none")


@pytest.mark.parametrize("between", [False, True])
def test_a_repeated_answer_that_crosses_a_choice_does_not_undo_it(controls, between):
    first, _ = controls.event()  # a page's first event sets what its preset says
    controls.choices.settle(first, {controls.attention: "bidirectional"})
    answer = controls.answer()
    controls.event()  # sent before that answer is there, so the next one repeats it
    repeated = controls.answer()
    controls.receive(answer)
    assert controls.event(attention="none")[1] == {controls.attention}
    following = controls.answer()
    controls.receive(repeated)  # shows "bidirectional" for a moment
    if between:
        assert controls.event(sample=20)[1] == {controls.sample}
        assert controls.choices.current()[controls.attention] == "none"
    controls.receive(following)
    assert controls.event(preset="M3")[1] == {controls.preset}
    assert controls.agree(attention="none", preset="M3")
    assert controls.event(attention="bidirectional")[1] == {controls.attention}


def test_what_was_refused_goes_back(controls):
    before = controls.choices.current()
    number, changed = controls.event(corpus="missing")
    controls.choices.settle(number, {control: before[control] for control in changed})
    controls.receive(controls.answer())
    assert controls.agree(corpus="senses")
