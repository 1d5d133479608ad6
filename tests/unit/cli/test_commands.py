"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from support.command_line import ROOT, run, start
from support.labs import corpus_of
from typer.testing import CliRunner

import embedlab
from embedlab import EmbedLabError
from embedlab.catalogue import CATALOGUE
from embedlab.cli.commands import app
from embedlab.cli.vector_files import save_vectors
from embedlab.models.trained_designs import trained_designs


def test_help_is_quick_and_needs_no_torch():
    code = (
        "import sys, embedlab.cli.commands; "
        "print({'torch', 'transformers', 'gradio'} & {*sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "set()"
    out, _ = start("--help").communicate(timeout=60)
    assert all(
        f"\n  {name} " in out for name in ("serve", "assets", "embed", "search", "read", "bench")
    )


def test_control_c_during_the_imports_ends_with_130_and_no_traceback():
    # A module is looked for on the way to the command's own: that is where ^C arrives here.
    code = """
import sys
from embedlab.__main__ import main

class Interrupt:
    def find_spec(self, name, *_):
        if name == "embedlab.cli.training":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "stopped\n")


def test_the_version_is_the_package_version():
    assert run("--version") == (0, f"embedlab {embedlab.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["assets"], ["assets", "--list"]])
def test_the_list_of_assets_has_a_row_each(arguments):
    code, out, _ = run(*arguments)
    rows = out.splitlines()[1:]
    names, trained = [row.split()[0] for row in rows], list(trained_designs())
    assert code == 0 and names == [*CATALOGUE, *trained] and trained
    for row, asset in zip(rows, CATALOGUE.values(), strict=False):
        assert asset.licence in row and asset.source in row
    for row in rows:
        assert re.search(r" (yes|no) ", row)
    for row in rows[len(CATALOGUE) :]:
        assert row.split()[1] == "design" and "trained on smollm2-135m" in row


def test_all_leaves_out_what_has_terms(monkeypatch):
    monkeypatch.setattr("embedlab.cli.commands._make_ready", lambda asset, progress: None)
    code, out, err = run("assets", "--all")
    assert code == 0 and "gemma-3-270m is left out" in err and "gemma" not in out


def test_a_fetched_asset_is_verified_and_ready():
    code, out, _ = run("assets", "trec")
    assert code == 0 and out.startswith("trec: ready")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("embed", "OWN", "--design", "nope", "--out", "v.npy"), "'nope' is not a design"),
        (("embed", "OWN", "--design", "M1", "--out", "v.zip"), "'v.zip' is of an unknown kind"),
        (("embed", "OWN", "--design", "M1", "--out", "no/v.npy"), "'no/v.npy' cannot be written"),
        (("embed", "gone.txt", "--design", "M1", "--out", "v.npy"), "'gone.txt' cannot be opened"),
        (
            ("embed", "OWN", "--design", "M1", "--out", "v.npy", "--text-column", "x"),
            "no column 'x'; its columns are 'label', 'text'",
        ),
        (("search", "moby", "q", "--design", "M1"), "'moby' is neither a file nor a built-in"),
        (("search", "senses", "q", "--design", "M1", "-k", "0"), "k is 0; ask for at least 1"),
        (("search", "senses", " ", "--design", "M1"), "The query is empty"),
        (("search", "senses", "q", *(["--design", "M1"] * 3)), "3 designs were given"),
        (("assets", "moby"), "'moby' is not a known asset"),
        (("bench", "--what", "moby"), "'moby' is not measured"),
        (("serve", "--config", "gone.yaml"), "'gone.yaml' cannot be read"),
    ],
)
def test_what_a_user_can_solve_is_one_line_and_exit_2(table_file, arguments, hint):
    code, out, err = run(*(table_file if part == "OWN" else part for part in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and hint in err


def test_what_was_there_survives_a_write_that_fails(tmp_path, monkeypatch):
    target = tmp_path / "vectors.npy"
    target.write_bytes(b"before")

    def full(file, vectors):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("embedlab.cli.vector_files.np.save", full)
    with pytest.raises(
        EmbedLabError,
        match=r"disk is full.*that was there is unchanged",
    ):
        save_vectors(target, np.ones((1, 2), np.float32), corpus_of("a"))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_the_input_is_never_overwritten(table_file):
    parquet = table_file.with_suffix(".parquet")
    save_vectors(parquet, np.ones((1, 2), np.float32), corpus_of("a"))
    code, _, err = run("embed", parquet, "--design", "M1", "--out", parquet)
    assert code == 2 and "is the input itself" in err


def test_the_unexpected_is_one_line_with_a_way_to_see_more(monkeypatch):
    def broken(name):
        raise KeyError("inside")

    monkeypatch.setattr("embedlab.assets.status", broken)
    monkeypatch.setenv("EMBEDLAB_DEBUG", "")
    code, _, err = run("assets", "trec")
    assert code == 1 and err.count("\n") == 1 and "KeyError" in err and "--debug" in err
    result = CliRunner().invoke(app, ["--debug", "assets", "trec"])
    assert isinstance(result.exception, KeyError)
