"""What goes wrong in words a user can act on."""


class EmbedLabError(ValueError):
    """A problem the user can solve; its text is one sentence that says what to do.

    The interface, the command line and the endpoints show exactly this text and no traceback.
    """


class Cancelled(Exception):
    """Raised by a progress callback to stop the work that called it; nothing is lost."""
