"""Files and folders are complete or absent, and text is safe for where it goes."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from embedlab.errors import EmbedLabError
from embedlab.files import atomic_file, atomic_folder, disk_errors, write_json, write_text
from embedlab.text import clean_text, one_line, printable, shorten


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "before")
    with pytest.raises(KeyError), atomic_file(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert path.read_text() == "before" and names(tmp_path) == ["file.txt"]
    write_json(path, {"é": 1})
    assert path.read_text(encoding="utf-8") == '{\n  "é": 1\n}\n'


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    with pytest.raises(KeyError), atomic_folder(folder) as partial:
        (partial / "half").touch()
        raise KeyError
    assert names(tmp_path / "deep") == []
    with atomic_folder(folder) as partial:
        (partial / "first").touch()
    with pytest.raises(EmbedLabError, match="'folder' exists already"), atomic_folder(folder):
        pass
    with pytest.raises(KeyError), atomic_folder(folder, replace=True):
        raise KeyError
    assert names(folder) == ["first"]
    with atomic_folder(folder, replace=True) as partial:
        (partial / "second").touch()
    assert names(folder) == ["second"] and names(tmp_path / "deep") == ["folder"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "x"), "model could not be stored: the disk is full"),
        (RuntimeError("I/O error (os error 28)"), "the disk is full. Free some space, or move"),
        (PermissionError(errno.EACCES, "x"), "its folder cannot be written; move."),
    ],
)
def test_a_disk_that_takes_no_more_is_explained(error: Exception, message: str) -> None:
    with pytest.raises(EmbedLabError, match=message), disk_errors("model", "move"):
        raise error


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(KeyError), disk_errors("model"):
        raise KeyError


def test_text_is_made_safe_for_where_it_goes() -> None:
    assert clean_text("a\ud800b\0\nc") == "a\ufffdb\nc"
    assert one_line(" a\n\x1b[31m\u2028b\ud800 👩‍👧") == "a [31m b\ufffd 👩‍👧"
    assert shorten("one two three", 8) == "one two…"
    assert printable("a\x1b[2J\u202eb\nc") == "a [2J b c"
