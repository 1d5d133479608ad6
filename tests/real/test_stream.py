"""``embedlab embed --designs`` in processes of its own, killed at random moments."""

from __future__ import annotations

import random
import signal
import subprocess
import time

import pyarrow.dataset
import pytest
from support.command_line import start
from support.models import model_folder, tiny_model, tiny_tokenizer, words

DESIGNS = "M1,causal/mean@1+centre,bidirectional/mean,causal/last?template=prompteol"


@pytest.mark.slow
def test_killed_five_times_it_ends_with_every_row_once(tmp_path):
    backbone = model_folder(tmp_path / "tiny", tiny_model("llama", tied=True), tiny_tokenizer())
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        texts = words(*([5, 9, 13] * 1000), seed=number)
        lines = [f"{number}-{i},{text}" for i, text in enumerate(texts)]
        (folder / f"{number}.csv").write_text("\n".join(["id,text", *lines]) + "\n")
    out, generator = tmp_path / "out", random.Random(0)

    def begin() -> subprocess.Popen[str]:
        return start(
            *("embed", folder, "--designs", DESIGNS, "--out", out, "--backbone", backbone),
            *("--dtype", "float32", "--device", "cpu", "--text-column", "text"),
            *("--part-texts", "300"),
        )

    def parts() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in out.glob("vectors/0*.parquet")}

    kills, kept = 0, {}
    while kills < 5:
        process = begin()
        # Once it has begun to write, at any moment.
        while process.poll() is None and len(parts()) == len(kept):
            time.sleep(0.05)
        time.sleep(generator.uniform(0, 1))
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        assert kept.items() <= parts().items()
        kept = parts()
    process = begin()
    said = process.communicate()
    assert process.returncode == 0, said
    table = pyarrow.dataset.dataset(out / "vectors").to_table()
    rows = list(zip(table["file"].to_pylist(), table["row"].to_pylist(), strict=True))
    assert len(rows) == len(set(rows)) == 12_000
    assert kept.items() <= parts().items()
    assert not list(out.rglob("*.partial"))
