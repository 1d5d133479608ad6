"""Data sets that come with EmbedLab or are fetched for it, each read once for the whole process."""

from __future__ import annotations

import json
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from embedlab import assets
from embedlab.catalogue import CATALOGUE
from embedlab.errors import check_known
from embedlab.progress import Progress
from embedlab.resources import ASSETS, DATA_SETS
from embedlab.validation import validated

T = TypeVar("T")
#: Arguments of a Corpus or PairSet.
Parts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A built-in data set before it is read; ``data_sets.toml`` explains the other fields.

    ``read`` makes the texts and what belongs to them out of a folder: the asset's, or EmbedLab's
    own without one.
    """

    id: str
    read: Callable[[Path], Parts]
    title: str
    offers: str
    asset: str | None = None
    in_domain: tuple[str, ...] = ()

    def parts(self, progress: Progress) -> Parts:
        """The arguments of the Corpus or PairSet; fetches the asset if it is not there yet."""
        named = {"id": self.id, "title": self.title}
        if self.asset is None:
            named |= {"source": "written for EmbedLab", "licence": "Apache-2.0"}
            return named | self.read(ASSETS)
        pinned = CATALOGUE[self.asset]
        named |= {"source": pinned.source, "licence": pinned.licence}
        return named | assets.read(self.asset, self.read, progress)


class BuiltIn(Generic[T]):
    """Built-in data sets of one kind by id, loaded at first use and then cached in memory.

    Args:
        kind: their table in ``data_sets.toml``, and what messages call one.
        readers: how each of them is read, by id.
        make: makes the data set of an entry; called once for each, however many threads wait.
    """

    def __init__(
        self,
        kind: str,
        readers: Mapping[str, Callable[[Path], Parts]],
        make: Callable[[Entry, Progress], T],
    ) -> None:
        self.kind, self.make = kind, make
        facts = tomllib.loads(DATA_SETS.read_text(encoding="utf-8"))[kind]
        entries = {key: facts[key] | {"id": key, "read": readers[key]} for key in facts}
        self.entries = validated(dict[str, Entry], entries)
        self.loaded: dict[str, T] = {}
        self._locks = {entry_id: threading.Lock() for entry_id in self.entries}

    def load(self, entry_id: str, progress: Progress) -> T:
        """The data set under this id.

        Raises:
            EmbedLabError: an unknown id, or files that cannot be fetched or are damaged.
        """
        check_known(entry_id, f"a known {self.kind}", self.entries)
        with self._locks[entry_id]:
            if entry_id not in self.loaded:
                self.loaded[entry_id] = self.make(self.entries[entry_id], progress)
            return self.loaded[entry_id]


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one JSON object a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
