"""Uploads are read in a process that may crash, starve or hang without harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import hostile

from embedlab import EmbedLabError, child_process


@pytest.fixture
def upload(tmp_path) -> Path:
    path = tmp_path / "upload.csv"
    path.write_text("text\n")
    return path


def test_a_result_comes_back_from_a_process_that_knows_no_secret(upload, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "x")
    result = child_process.in_child_process(hostile.environment, upload, secret="SOME_TOKEN")
    assert result == {"text": "text\n", "secret": False, "heavy": []}


def test_its_own_errors_stay_as_they_are(upload):
    with pytest.raises(EmbedLabError, match=r"^upload.csv is refused; choose another\.$"):
        child_process.in_child_process(hostile.refuse, upload)


@pytest.mark.parametrize("harm", [hostile.crash, hostile.hoard, hostile.spin, hostile.sleep])
def test_harm_becomes_one_sentence(harm, upload):
    with pytest.raises(EmbedLabError, match=r"3 GB of memory or 2 s\. Choose a smaller") as caught:
        child_process.in_child_process(harm, upload, bounds=child_process.Bounds(seconds=2))
    assert str(caught.value).startswith("'upload.csv' cannot be read")
    for pid in upload.parent.glob("pid"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)
