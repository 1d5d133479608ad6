"""What goes wrong in words a user can act on."""

from __future__ import annotations

from collections.abc import Iterable


class EmbedLabError(ValueError):
    """A problem the user can solve; its text is one sentence that says what to do.

    The interface, the command line and the endpoints show exactly this text and no traceback.
    """


def check_known(name: object, what: str, known: Iterable[str]) -> None:
    """Refuse a name that is not one of those ``known``; ``what`` is such as ``a known asset``.

    Raises:
        EmbedLabError: it is none of them; the message lists them.
    """
    names = list(known)
    if name not in names:
        raise EmbedLabError(f"{str(name)[:60]!r} is not {what}; use one of {', '.join(names)}.")


class Cancelled(Exception):
    """Raised by a progress callback to stop the work that called it; nothing is lost."""


class NeedsModel(Exception):
    """What is asked for needs a backbone that is not loaded: load it, and ask again."""

    def __init__(self, backbone_id: str) -> None:
        super().__init__(f"{backbone_id} is not loaded")
        self.backbone_id = backbone_id
