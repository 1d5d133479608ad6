"""``pytest --pretended-gpu``: every test runs where there seems to be a GPU.

Tiny backbones that a test makes are put there, also those that it loads with ``device="cpu"``. What
a test expects is the same as on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

#: Hidden sizes up to this are tiny.
TINY = 64
#: Tests that have to differ, by a part of their name, with the reason.
DIFFERENT: dict[str, str] = {
    "test_packed_texts_have_the_states_of_single_ones": "texts share a row on a CPU alone",
    "test_whether_texts_can_be_packed": "texts share a row on a CPU alone",
    "test_rows_are_evenly_full": "texts share a row on a CPU alone",
    "test_cancelling_stops_between": "a GPU takes all its texts at once",
    "test_micro_batches_of_a_gpu_recipe_are_reduced_for_a_cpu": "it is about a CPU",
}


class OnPretendedGpu:
    """A plugin of pytest."""

    def __init__(self) -> None:
        self._within = ExitStack()

    def pytest_sessionstart(self) -> None:
        from embedlab import Backbone
        from support.pretended_gpu import pretended_gpu

        self._within.enter_context(pretended_gpu())
        made = Backbone.__init__

        def on_the_gpu(backbone: Backbone, model: Any, *args: Any, **options: Any) -> None:
            tiny = model.config.get_text_config().hidden_size <= TINY
            made(backbone, model.to("cuda") if tiny else model, *args, **options)

        Backbone.__init__ = on_the_gpu  # type: ignore[method-assign]
        self._within.callback(setattr, Backbone, "__init__", made)

    def pytest_sessionfinish(self) -> None:
        self._within.close()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for reason in _reasons(item.nodeid):
                item.add_marker(pytest.mark.skip(reason=reason))


def _reasons(name: str) -> Iterator[str]:
    yield from (reason for part, reason in DIFFERENT.items() if part in name)
