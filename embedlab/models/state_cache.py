"""The cache of hidden states, in memory and on disk."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

if TYPE_CHECKING:
    from embedlab.models.states import TextStates


#: Rises when states hold something else than before, so that old files are not read.
STATE_FORMAT = "2"
_TENSORS = ("tokens", "squares", "text_bank")


def state_key(backbone_key: str, attention: str, prompt: str, text: str) -> str:
    """The key of a text's states in the cache; ``backbone_key`` covers the adapter.

    ``prompt`` is the key of the template.
    """
    digest = hashlib.sha256(STATE_FORMAT.encode())
    for part in (backbone_key, attention, prompt, text):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


#: The share of its budget to which a full folder is cut, so that not every new file has to delete
#: an old one.
FOLDER_SHARE = 0.9


class StateCache:
    """Text states within a byte budget, least recently used out first; safe for many threads.

    Args:
        max_bytes: budget of the memory part.
        folder: for states marked ``persist``, as safetensors; None for memory alone.
        max_disk_bytes: budget of the folder; the oldest files go first.
    """

    def __init__(
        self, max_bytes: int, folder: Path | None = None, max_disk_bytes: int = 2 * 10**9
    ) -> None:
        self.max_bytes = max_bytes
        self.folder = folder
        self._entries: OrderedDict[str, TextStates] = OrderedDict()
        #: Bytes held in memory.
        self.nbytes = 0
        #: How many lookups gave states, and how many did not.
        self.hits, self.misses = 0, 0
        self._lock = threading.Lock()
        self._max_disk_bytes, self._disk_bytes = max_disk_bytes, 0
        if folder is not None and folder.is_dir():
            for part in folder.glob("??/*.part"):
                part.unlink(missing_ok=True)
            self._disk_bytes = _prune(folder, max_disk_bytes)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> TextStates | None:
        """The states under this key, from memory or from disk."""
        with self._lock:
            states = self._entries.get(key)
            if states is not None:
                self.hits += 1
                self._entries.move_to_end(key)
                return states
        states = self._read(key)
        with self._lock:
            self.hits += states is not None
            self.misses += states is None
        if states is not None:
            self.put(key, states)
        return states

    def put(self, key: str, states: TextStates, *, persist: bool = False) -> None:
        """Store these states, with ``persist`` also on disk where there is a folder."""
        with self._lock:
            old = self._entries.pop(key, None)
            self.nbytes -= 0 if old is None else old.nbytes
            self._entries[key] = states
            self.nbytes += states.nbytes
            while self.nbytes > self.max_bytes and self._entries:
                self.nbytes -= self._entries.popitem(last=False)[1].nbytes
        if persist:
            self._write(key, states)

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / f"{key}.safetensors"

    def _read(self, key: str) -> TextStates | None:
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        from embedlab.models.states import TextStates

        try:
            with safe_open(path, framework="pt") as file:
                meta = file.metadata()
                bank, names = file.get_tensor("bank"), set(file.keys())
                more = {name: file.get_tensor(name) for name in _TENSORS if name in names}
            with suppress(OSError):  # the folder may be read-only
                os.utime(path)  # the oldest files are deleted first, and this one is in use
            return TextStates(
                bank,
                more.pop("tokens", None),
                int(meta["tokens"]),
                meta["truncated"] == "True",
                **more,
                text_count=int(meta["text_tokens"]),
            )
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            with suppress(OSError):
                path.unlink(missing_ok=True)  # a damaged entry is simply computed again
            return None

    def _write(self, key: str, states: TextStates) -> None:
        path = self._path(key)
        if path is None or path.exists():
            return
        from safetensors.torch import save_file

        tensors = {
            name: tensor.contiguous()
            for name in ("bank", *_TENSORS)
            if (tensor := getattr(states, name)) is not None
        }
        meta = {
            "tokens": str(states.token_count),
            "truncated": str(states.truncated),
            "text_tokens": str(states.text_count),
        }
        temporary = path.with_suffix(f".{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, temporary, metadata=meta)
            temporary.replace(path)
            self._stored(path)
        except (OSError, SafetensorError):
            # A full or read-only disk costs the speed-up, never the result.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _stored(self, path: Path) -> None:
        """Count a file, and delete the oldest once the budget is reached."""
        assert self.folder is not None
        with self._lock:
            self._disk_bytes += path.stat().st_size
            if self._disk_bytes > self._max_disk_bytes:
                self._disk_bytes = _prune(self.folder, int(FOLDER_SHARE * self._max_disk_bytes))


def _prune(folder: Path, max_bytes: int) -> int:
    """Delete the oldest files until the folder fits a number of bytes; how many are left."""
    files = []
    for path in folder.glob("??/*.safetensors"):
        with suppress(FileNotFoundError):  # another process may prune too
            stat = path.stat()
            files.append((stat.st_mtime, stat.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files, key=lambda entry: entry[0]):
        if total <= max_bytes:
            break
        path.unlink(missing_ok=True)
        total -= size
    return total
