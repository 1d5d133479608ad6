"""What the controls of one session say, including what its browser has not seen yet.

An event brings the controls as the browser has them. The server sets controls too: pasted texts
choose the corpus "own", another corpus has another number of texts, a preset sets a design. While
such an answer is under way, the next event still brings the old values, and a slow answer must not
undo what the visitor has chosen in the meantime. So the server keeps what it has set until the
browser confirms it: each answer carries a revision, which comes back with every later event.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr


@dataclass
class _Setting:
    """What the server has set of a control and the browser has not confirmed."""

    properties: dict[str, Any] = field(default_factory=dict)
    #: The revision of the answer that it went with first, 0 before that.
    sent: int = 0


class Choices:
    """The controls of one session; all methods may be called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = self._revision = self._seen = 0
        #: The controls' values by now, and as the browser had them in its last event.
        self._values: dict[Any, Any] = {}
        self._browser: dict[Any, Any] = {}
        #: The event by which the visitor set a control last, and the last one whose action sets it.
        self._chosen: dict[Any, int] = {}
        self._promised: dict[Any, int] = {}
        self._unseen: dict[Any, _Setting] = {}
        #: The values in each answer that the browser has not shown, by revision.
        self._on_the_way: dict[int, dict[Any, Any]] = {}
        #: Whether the page is older than this: what the session remembered is gone.
        self.forgot = False

    def arrive(
        self, values: Mapping[Any, Any], seen: int, target: Any = None
    ) -> tuple[int, set[Any]]:
        """An event: its number, and the controls that the visitor changed since the one before.

        Args:
            values: the controls as the browser has them.
            seen: the last revision that the browser has shown.
            target: the component that sent the event.
        """
        with self._lock:
            if seen > self._revision:
                # The page has seen answers of another process, or of a session forgotten since.
                self.forgot, self._revision = True, seen
            self._number += 1
            if seen < self._seen:
                # Overtaken on its way by a later event, which has said what the controls are.
                self._values = {**values, **self._values}
                return self._number, set()
            self._seen = seen
            for control in [c for c, new in self._unseen.items() if 0 < new.sent <= seen]:
                confirmed = self._unseen.pop(control).properties
                self._browser[control] = confirmed.get("value", self._browser.get(control))
            shown: dict[Any, Any] = {}
            for revision in [r for r in self._on_the_way if r <= seen]:
                shown |= self._on_the_way.pop(revision)
            controls = {c: value for c, value in values.items() if not isinstance(c, gr.State)}
            changed = {
                control
                for control, value in controls.items()
                if control not in self._browser
                or value not in (self._browser[control], self._values[control])
            }
            # An answer from before the last choice has undone it on the screen only.
            changed -= {
                c for c in shown.keys() & changed & self._unseen.keys() if values[c] == shown[c]
            }
            if target in self._unseen and target in controls:
                # The visitor chose the value on the screen again, which the server had replaced.
                changed.add(target)
            for control in changed & set().union(self._unseen, *self._on_the_way.values()):
                # An answer with another value may be on its way, even where an earlier one has been
                # confirmed; the next one puts this back.
                self._set(control, {"value": values[control]})
            self._values, self._browser = {**values, **self._ahead()}, controls
            chosen = set(changed)
            if target in controls and not isinstance(target, gr.Dropdown):
                # Also where the value is as before: an action that is under way may be about to
                # set another one. A dropdown reports visits too.
                chosen.add(target)
            self._chosen |= dict.fromkeys(chosen, self._number)
            return self._number, changed

    def promise(self, number: int, controls: Iterable[Any]) -> None:
        """An event's action is going to set these controls; actions of earlier events no longer."""
        with self._lock:
            for control in controls:
                self._promised[control] = max(number, self._promised.get(control, 0))

    def settle(self, number: int, updates: Mapping[Any, Any]) -> None:
        """Set controls as an event's action says, unless a later event has decided on them."""
        with self._lock:
            for control, update in updates.items():
                is_update = isinstance(update, dict) and "__type__" in update
                new = dict(update) if is_update else {"value": update}
                new.pop("__type__", None)
                if self._promised.get(control, 0) > number:
                    continue
                if self._chosen.get(control, 0) > number:
                    new["value"] = self._values[control]
                self._set(control, new)
                if "value" in new:
                    self._values[control] = self._unseen[control].properties["value"]

    def _set(self, control: Any, new: dict[str, Any]) -> None:
        old = self._unseen.get(control, _Setting())
        properties = old.properties | new
        value, maximum = properties.get("value"), properties.get("maximum")
        if isinstance(value, int | float) and maximum is not None:  # a slider with another range
            properties["value"] = min(value, maximum)
        self._unseen[control] = _Setting(properties)

    def _ahead(self) -> dict[Any, Any]:
        """The values that the browser has not confirmed."""
        settings = ((control, new.properties) for control, new in self._unseen.items())
        return {control: new["value"] for control, new in settings if "value" in new}

    def current(self) -> dict[Any, Any]:
        """The controls' values by now."""
        with self._lock:
            return dict(self._values)

    def answer(self, revision: Any) -> dict[Any, Any]:
        """What the browser has not confirmed yet, with the number that confirms it.

        Args:
            revision: the component that holds the number.
        """
        with self._lock:
            if not self._unseen:
                return {revision: gr.skip()}
            self._revision += 1
            for new in self._unseen.values():
                new.sent = new.sent or self._revision
            self._on_the_way[self._revision] = self._ahead()
            unseen = {c: gr.update(**new.properties) for c, new in self._unseen.items()}
            return {revision: self._revision, **unseen}
