"""Links: an address is read into the controls, and written back after each answer.

A link is applied by an action of the page like any other choice, so that a later choice counts.
What it says of texts waits until they are there: a corpus has to be loaded, somebody's own texts
have to be opened. What the page shows by then is written as an address, which the bar's script puts
into the browser.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from embedlab.analysis.filtering import TextFilter, narrowed, selected
from embedlab.data.corpus import Corpus
from embedlab.errors import EmbedLabError
from embedlab.lab.address import UNTRAINED, Address, fits, in_one_line, own_corpus
from embedlab.lab.lab import Lab
from embedlab.lab.run import PREFIX
from embedlab.models.design import Design
from embedlab.progress import Progress
from embedlab.text import shorten
from embedlab.ui.shared.html import frame
from embedlab.ui.shared.link_controls import controls_of
from embedlab.ui.shared.parse import event_data, whole_number
from embedlab.ui.shared.session import Action, Remembered, Updates, Values, with_value
from embedlab.ui.shared.sidebar import OWN, Sidebar

if TYPE_CHECKING:
    from embedlab.ui.shared.view import Pair, View

#: What an address has in place of a model that somebody trained: a link cannot carry it.
TRAINED_HERE = "run"
#: What a filter by a link's texts is called.
LINKED = "the texts that the link names"
_TOO_LONG = {"part": "the corpus", "sel": "the selection", "only": "the filter"}


def link_bar() -> gr.HTML:
    """The button "Copy link" with the line of what a link said that could not be read.

    Its event ``link`` carries {"query", "number"}. Its value is what :meth:`Links.answer` makes;
    ``ui/static/links.js`` says what other scripts can ask it for.
    """
    space = os.environ.get("SPACE_ID", "")
    hub = f"https://huggingface.co/spaces/{space}" if space else ""
    return frame("open-link", "links", hub)


class Links:
    """What a link sets, and the address of what is on the screen.

    Args:
        lab: knows the corpora and models on offer.
        sidebar: has the controls that links set.
        bar: shows the address; see :func:`link_bar`.
        kept: the filter on the texts.
    """

    def __init__(self, lab: Lab, sidebar: Sidebar, bar: gr.HTML, kept: Remembered) -> None:
        self.lab, self.sidebar, self.bar, self.kept = lab, sidebar, bar, kept
        self.views: Sequence[View] = ()
        self.titles: Mapping[str, str] = {}
        #: The ids of the lessons that there are.
        self.lessons: Collection[str] = ()
        #: The view that is open, and the id of an open tab that is no view.
        self.active, self.aside = Remembered(""), Remembered("")
        #: The address of what is on the screen, and the last link until its texts are there.
        self.address, self.waiting = Remembered(Address()), Remembered()
        #: Changes when a link says something that no control shows.
        self.changed = Remembered(0)
        # The last link: its number, what of it could not be read, and what it says for good.
        self._number, self._said = Remembered(-1), Remembered(())
        self._hidden, self._room, self._lesson = Remembered(()), Remembered(""), Remembered("")
        #: The tab that the browser has yet to open.
        self._opening = Remembered("")

    def wire(
        self, blocks: gr.Blocks, tabs: gr.Tabs, views: Sequence[View], titles: Mapping[str, str]
    ) -> None:
        """Tell which tabs there are: the views, and the titles of all tabs by their ids."""
        self.blocks, self.tabs, self.views, self.titles = blocks, tabs, views, titles
        self.active.default = views[0].id

    @property
    def actions(self) -> tuple[Action, Action]:
        """The opening of the page, whose bar is among its inputs, and that of a link in it."""
        load, link, sets = self.blocks.load, self.bar.link, self._sets
        address = {self.bar: "window.location.search"}
        page = Action(trigger=load, run=self._arrived, sets=sets, scripts=address)
        return page, Action(trigger=link, run=self._followed, sets=sets)

    # A link is opened

    def _link(self, values: Values, event: gr.EventData) -> Address:
        """What an event is about: a link in its data, or the page's address in the bar's place."""
        link = event_data(event).get("query", values.get(self.bar))
        return Address.parse(link if isinstance(link, str) else "")

    def _sets(self, values: Values, event: gr.EventData) -> set[Any]:
        """The controls that a link is going to set, and no others: they may be on their way."""
        sidebar, address = self.sidebar, self._link(values, event)
        named = dict(address.controls)
        sets = {
            sidebar.backbone: address.model != "",
            sidebar.corpus: address.corpus != "" or address.part != (),
            sidebar.own: address.part != (),
            sidebar.sample: address.n is not None,
            sidebar.seed: address.seed is not None,
            sidebar.a.model: address.model_a != "",
            sidebar.b.model: address.model_b != "",
            **dict.fromkeys((sidebar.a.preset, *sidebar.a.inputs), address.a is not None),
            **dict.fromkeys((sidebar.b.preset, *sidebar.b.inputs), address.b is not None),
        }
        for view in self.views:
            sets |= {control: name in named for name, control in view.linked.items()}
            sets |= dict.fromkeys(view.link_sets, address.q is not None)
        return {control for control, is_set in sets.items() if is_set}

    def _arrived(self, values: Values, report: Progress, event: gr.EventData) -> Updates:
        return self._opened(values, report, self._link(values, event), 0)

    def _followed(self, values: Values, report: Progress, event: gr.EventData) -> Updates:
        number = event_data(event).get("number")
        known = number if type(number) is int and 0 <= number < 2**31 else 0
        least = max(1, values[self._number])
        return self._opened(values, report, self._link(values, event), max(known, least))

    def _opened(self, values: Values, report: Progress, address: Address, number: int) -> Updates:
        said = list(address.unread)
        updates = self._opened_tab(address, values, said)
        updates |= self._said_for_good(address, values, said)
        updates |= self._models(address, values, said)
        updates |= self._corpus(address, values, said, report)
        now = Values(values | updates)
        for letter, panel, design in zip(
            "AB", (self.sidebar.a, self.sidebar.b), (address.a, address.b), strict=True
        ):
            backbone_id = self.sidebar.resolved(now)[letter == "B"]
            if design is not None and self._possible(letter, design, backbone_id, said, report):
                updates |= panel.set_to(design)
        if address.seed is not None:
            updates[self.sidebar.seed] = address.seed
        for view in self.views:
            is_open = view.id == updates.get(self.active, values[self.active])
            updates |= controls_of(view.linked, address.controls, said)
            own = view.follow_link(address, values, said, is_open=is_open)
            if any(isinstance(each, Remembered) for each in own):
                updates[self.changed] = values[self.changed] + 1
            updates |= own
        return updates | {
            self._number: number,
            self._said: tuple(said),
            # Until it is shown; what cannot be shown stays in the browser as it was written.
            self.address: replace(address, unread=()) if number == 0 else values[self.address],
        }

    def _opened_tab(self, address: Address, values: Values, said: list[str]) -> Updates:
        hidden: dict[str, None] = dict.fromkeys(values[self._hidden])
        for name in address.hide:
            if name not in self.titles:
                said.append(f"“{name}” is no tab to hide ({', '.join(self.titles)})")
            elif len({*hidden, name}) == len(self.titles):
                said.append(f"“{name}” stays, or there would be no tab")
            else:
                hidden[name] = None
        tab, views = address.tab, [view.id for view in self.views]
        if tab and tab not in self.titles:
            said.append(f"“{shorten(tab, 40)}” is no tab ({', '.join(self.titles)})")
            tab = ""
        elif tab in hidden:
            said.append(f"the tab {self.titles[tab]} is hidden here")
            tab = ""
        if not tab and values[self.active] in hidden:
            tab = next(name for name in (*views, *self.titles) if name not in hidden)
        updates: Updates = {self._hidden: tuple(hidden)}
        if tab:
            updates |= {self._opening: tab, self.aside: "" if tab in views else tab}
        return updates | ({self.active: tab} if tab in views else {})

    def _said_for_good(self, address: Address, values: Values, said: list[str]) -> Updates:
        lesson = address.lesson
        if lesson and lesson not in self.lessons:
            said.append(f"there is no lesson “{lesson}”")
            lesson = ""
        return {self._lesson: lesson, self._room: address.class_name or values[self._room]}

    def _models(self, address: Address, values: Values, said: list[str]) -> Updates:
        sidebar = self.sidebar
        updates: Updates = {}
        for key, control, name in (
            ("model", sidebar.backbone, address.model),
            ("model_a", sidebar.a.model, address.model_a),
            ("model_b", sidebar.b.model, address.model_b),
        ):
            known = [value for _, value in control.choices if value]
            if name == TRAINED_HERE:
                said.append(
                    f"{key} was trained by whoever made the link, which does not carry it; open "
                    "its archive under Fine-tune"
                )
            elif name == UNTRAINED and control is not sidebar.backbone:
                updates[control] = ""
            elif name in known:
                if name != values[control]:
                    updates[control] = name
            elif name:
                offered = ", ".join(known) or "none"
                said.append(f"{key} is “{shorten(name, 40)}”, not one offered here ({offered})")
        return updates

    def _corpus(
        self, address: Address, values: Values, said: list[str], report: Progress
    ) -> Updates:
        sidebar = self.sidebar
        waits: Updates = {self.waiting: address}
        own: Corpus | None = values[sidebar.own]
        if address.own:
            if own is None or _is_of(address, own):
                return waits | {sidebar.corpus: OWN}
            said.append(missing(address))
            return waits
        if address.corpus and address.corpus not in self.lab.config.corpora:
            known = ", ".join(self.lab.config.corpora)
            said.append(f"“{shorten(address.corpus, 40)}” is no corpus offered here ({known})")
            return {self.waiting: None}  # numbers of other texts mean nothing
        if not address.corpus and not address.part:
            return waits
        corpus_id = address.corpus or self.lab.config.defaults.corpus
        try:
            whole = self.lab.whole(corpus_id, report)
        except EmbedLabError as error:
            said.append(str(error).rstrip("."))
            return {self.waiting: None}
        # The same corpus again would start with its first number of texts again.
        same = values[sidebar.corpus] == corpus_id
        updates = waits if same else waits | {sidebar.corpus: corpus_id}
        if address.part and (rows := _rows(whole, address.part, "picked", said)):
            for view in self.views:
                updates |= view.pick_linked(whole, rows, values, corpus_id)
        return updates

    def _possible(
        self, letter: str, design: Design, backbone_id: str, said: list[str], report: Progress
    ) -> bool:
        """Whether a design can be shown here; says why where it cannot."""
        try:
            if design.file:
                raise EmbedLabError(
                    f"“{shorten(str(design), 60)}” is vectors from a file; add them to the texts"
                )
            self.lab.check((), design)
            named = max(design.layer, *(design.layers or (0,)), *(design.band or (0,)))
            if named > 0 or design.native:
                backbone = self.lab.backbone(backbone_id, report)
                if named > backbone.num_layers:
                    raise EmbedLabError(
                        f"{design.name} names layer {named}, and {backbone.name} has "
                        f"{backbone.num_layers}"
                    )
                own = backbone.native.design if backbone.native else None
                if design.native and own != design:
                    raise EmbedLabError(f"the files of {backbone.name} name another design")
        except EmbedLabError as error:
            said.append(f"{letter.lower()}: {str(error).rstrip('.')}")
            return False
        return True

    # What it says of texts, once they are there

    def awaits_texts(self, values: Values) -> bool:
        """Whether the last link is about somebody's own texts that nobody has opened here."""
        address: Address | None = values[self.waiting]
        own, chosen = values[self.sidebar.own], values[self.sidebar.corpus]
        return bool(address and address.own and own is None and chosen == OWN)

    def check_texts(self, values: Values) -> None:
        """Refuse to show what a link is about while its texts are missing.

        Raises:
            EmbedLabError: names the texts, and says where to open them.
        """
        if self.awaits_texts(values):
            raise EmbedLabError(f"{missing(values[self.waiting])}.")

    def of_texts(self, values: Values, updates: Updates, report: Progress) -> Updates:
        """What the last link says of texts that are there by now.

        Args:
            values: the controls with all ``updates`` in them.
            updates: those of the action before, with the texts that it has opened.
            report: called as a corpus is loaded.
        """
        address: Address | None = values[self.waiting]
        sidebar = self.sidebar
        own, is_own = values[sidebar.own], values[sidebar.corpus] == OWN
        if address is None or self.awaits_texts(values):
            return {}
        said = list(values[self._said])
        if address.own:
            if not is_own:
                return {}  # another corpus was chosen; the file may still be opened
            if own is None or not _is_of(address, own):
                if sidebar.own not in updates:
                    return {}
                said.append(f"these are not the texts of the link; {missing(address)}")
                return {self._said: tuple(said)}
        whole = sidebar.whole(values, report)
        done: Updates = {self.waiting: None}
        n = values[sidebar.sample]
        if address.n is not None:
            n = min(address.n, self.lab.most_texts(whole))
            if n < min(address.n, len(whole.texts)):
                said.append(f"n is {address.n:,}, of which {n:,} can be shown here")
            done[sidebar.sample] = with_value(updates.get(sidebar.sample), n)
        if address.sel is not None or address.only is not None:
            seed = whole_number(values[sidebar.seed], "The seed")
            shown = self.lab.sample(whole, whole_number(n, "The number of texts", 1), seed)
            done |= self._chosen(address, shown, values, said)
        return done | {self._said: tuple(said)}

    def _chosen(self, address: Address, shown: Corpus, values: Values, said: list[str]) -> Updates:
        """The selection and the filter on the texts that are shown."""
        updates: Updates = {}
        if address.sel is not None:
            rows = _rows(shown, address.sel, "selected", said)
            for view in self.views:
                updates |= view.select_linked(shown, rows, values)
            if any(values[each] != value for each, value in updates.items()):
                updates[self.changed] = values[self.changed] + 1
        if address.only is not None:
            rows = _rows(shown, address.only, "kept", said)
            kept: TextFilter | None = None
            if rows:
                kept = narrowed(shown, None, selected(shown, None, rows, LINKED))
            updates[self.kept] = kept
        return updates

    # The address is written

    def written(self, view: View, pair: Pair, values: Values, report: Progress) -> Updates:
        """The updates for the address of a view that is about to be on the screen."""
        sidebar, defaults = self.sidebar, self.lab.config.defaults
        whole, corpus = sidebar.whole(values, report), values[sidebar.corpus]
        if corpus == OWN:
            corpus = own_corpus(whole.fingerprint, len(whole.texts))
        n = len(pair.corpus.texts)
        first = min(self.lab.first_sample(whole), self.lab.most_texts(whole))
        backbone = values[sidebar.backbone]
        models = [values[panel.model] or "" for panel in (sidebar.a, sidebar.b)]
        controls = tuple(view.link_controls(values).items())
        fields: dict[str, Any] = {
            "corpus": "" if corpus == defaults.corpus else corpus,
            "n": None if n == first else n,
            "seed": None if pair.seed == defaults.seed else pair.seed,
            "model": "" if backbone == self.lab.default_backbone else backbone,
            **dict(zip(("model_a", "model_b"), map(_carried, models), strict=True)),
            "a": _unless(pair.a.design, defaults.design_a),
            "b": _unless(pair.b.design, defaults.design_b),
            "tab": "" if view is self.views[0] else view.id,
            "only": _numbers(pair.corpus, pair.rows) if pair.kept else None,
            "controls": controls,
        }
        for each in self.views:
            fields |= each.address(pair, values, is_open=each is view)
        return {self.address: _without_long(Address.of(**fields))}

    def again(self, view: View, pair: Pair, values: Values) -> Updates:
        """The same where something on the screen was clicked, which changes no control."""
        if not view.addressed:
            return {}
        before: Address = values[self.address]
        parts = Address.of(**view.address(pair, values, is_open=True))
        changed: Any = {name: getattr(parts, name) for name in view.addressed}
        now = _without_long(replace(before, **changed, unread=parts.unread))
        if now == before:
            return {}
        answer = self.answer(Values(values | {self.address: now}))
        shown = {control: value for control, value in answer.items() if control is self.bar}
        return {self.address: now, **shown}

    def answer(self, values: Values) -> Updates:
        """What every answer tells the browser: the address, the last link, the tab to open."""
        if values[self._number] < 0:
            return {}  # the page's own address has not been read yet
        address: Address = values[self.address]
        if aside := values[self.aside]:
            address = replace(address, tab=aside, panel="", q=None, controls=())
        hidden = values[self._hidden]
        written = replace(address, lesson="", hide=hidden, class_name=values[self._room])
        updates: Updates = {
            self._opening: "",
            self.bar: {
                "query": str(written),
                "number": values[self._number],
                "said": _not_used(values[self._said]),
                "note": _left_out(address.unread),
                "lesson": values[self._lesson],
                "hide": list(hidden),
                "open": [],
                "room": values[self._room],
            },
        }
        opening = values[self._opening]
        if opening and opening == (values[self.aside] or values[self.active]):
            updates[self.tabs] = gr.update(selected=opening)
            updates[self.bar]["open"] = [opening, *filter(None, [written.panel])]
        return updates


def missing(address: Address) -> str:
    """What a link about somebody's own texts needs, as a sentence without its stop."""
    assert address.own
    mark, n = address.own
    texts = "1 text" if n == 1 else f"{n:,} texts"
    return (
        f"This link is about texts of somebody's own ({texts}, {mark[:4]}…): open that file under "
        "“Your own texts” in the sidebar to see it"
    )


def _is_of(address: Address, own: Corpus) -> bool:
    return address.corpus == own_corpus(own.fingerprint, len(own.texts))


def _not_used(said: Sequence[str]) -> str:
    line = in_one_line(said)
    return f"Not everything in the link could be used: {line}" if line else ""


def _left_out(reasons: Sequence[str]) -> str:
    line = in_one_line(reasons)
    return f"Not everything is in the link: {line}" if line else ""


def _rows(shown: Corpus, numbers: Sequence[int], what: str, said: list[str]) -> list[int]:
    """The indices of texts by their numbers in their source; says which are not shown."""
    named = {*numbers}
    rows = [i for i, number in enumerate(shown.rows) if number in named]
    if absent := sorted(named - {*shown.rows}):
        said.append(
            f"{len(absent):,} of the {len(named):,} texts to be {what} are not among the "
            f"{len(shown.texts):,} shown, such as number {absent[0]:,}"
        )
    return rows


def _numbers(corpus: Corpus, rows: Sequence[int] | None) -> tuple[int, ...]:
    return tuple(corpus.rows[i] for i in rows or ())


def _carried(model: str) -> str:
    """A model as a link can carry it."""
    return TRAINED_HERE if model.startswith(PREFIX) else model


def _unless(design: Design, default: str) -> Design | None:
    return None if design == Design.parse(default) else design


def _without_long(address: Address) -> Address:
    """The address without selections that are too long for a link; ``unread`` says so."""
    long = [name for name in _TOO_LONG if not fits(getattr(address, name) or ())]
    notes = [f"{_TOO_LONG[name]} has too many parts" for name in long]
    changed: dict[str, Any] = {name: () if name == "part" else None for name in long}
    return replace(address, **changed, unread=(*address.unread, *notes))
