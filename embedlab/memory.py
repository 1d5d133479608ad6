"""What a process keeps of the memory that it has freed."""

import contextlib
import ctypes

#: ``M_ARENA_MAX`` of glibc's ``mallopt(3)``, and how many pools all threads share.
_ARENA_MAX, _POOLS = -8, 2


def share_freed_memory() -> None:
    """Let all threads that start from now on share two of malloc's pools.

    By default glibc gives threads up to eight pools a core, and what was freed in one is not used
    by another. A server in which one thread after the other holds large arrays for a moment then
    grows to a multiple of what it ever held at once. Where malloc is not glibc's, nothing changes.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _POOLS)
