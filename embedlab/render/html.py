"""HTML from the templates in ``render/templates``: every value becomes inert text there.

A template has no way to switch escaping off: it knows the filters below and none of Jinja's, and
only what another template returned (:class:`~markupsafe.Markup`) is inserted as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from embedlab.text import escape, shorten


def points(value: float | None, *, sign: bool = False) -> str:
    """A fraction ×100: ``61.2``, or ``+1.3`` with its sign; a dash for None."""
    if value is None:
        return "–"
    return f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"


def _inert(value: object) -> Markup:
    """Jinja's default escaping keeps the signs that Gradio interprets; ``text.escape`` does not."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def _breakable(name: str) -> Markup:
    """A design's name that a browser may break after a slash or underscore, or before a step."""
    parts = escape(name).replace("/", "/<wbr>").replace("_", "_<wbr>").replace("+", "<wbr>+")
    return Markup(parts)


_ENVIRONMENT = Environment(
    loader=PackageLoader("embedlab.render"),
    autoescape=True,
    finalize=_inert,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _words(values: Iterable[str | None]) -> str:
    """What there is of these, as ``d7 · good``."""
    return " · ".join(value for value in values if value)


_ENVIRONMENT.filters = {
    "breakable": _breakable,
    "length": len,
    "numbered": enumerate,
    "points": points,
    "shorten": shorten,
    "words": _words,
}


class Macros:
    """The macros of one template file as functions: ``Macros("lists.html").note(lines)``."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Callable[..., Markup]:
        def macro(*args: object, **kwargs: object) -> Markup:
            # Compiled at the first call and cached by the environment.
            html: Markup = getattr(_ENVIRONMENT.get_template(self._file).module, name)(
                *args, **kwargs
            )
            return html

        return macro


_TABLE, _LISTS = Macros("table.html"), Macros("lists.html")


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    *,
    measured_on: str = "",
) -> Markup:
    """A table whose rows begin with their name; without rows the caption alone.

    The columns named A and B have the designs' colours. With ``measured_on`` (model, designs and
    texts) a button saves the table as CSV.
    """
    return _TABLE.table(header, rows, caption, measured_on)


def note(sentences: Iterable[str]) -> Markup:
    """Short lines on what limits the numbers."""
    return _LISTS.note(list(sentences))


def muted(sentence: str) -> Markup:
    """One line that explains or replaces a result."""
    return _LISTS.muted(sentence)


def joined(parts: Iterable[Markup]) -> Markup:
    """Several pieces of HTML as one."""
    return Markup("").join(parts)
