"""Our JavaScript, checked by oxlint as it runs: the files of a component together."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from embedlab.ui.shared.theme import SCRIPTS, STATIC, script

OXLINT = Path(sysconfig.get_path("scripts")) / "oxlint"
RULES = Path(__file__).parents[3] / ".oxlintrc.json"


def test_every_script_belongs_to_a_component() -> None:
    used = {name for names in SCRIPTS.values() for name in names}
    # The frame around the map in a notebook is no component of the page.
    assert used == {path.name for path in STATIC.glob("*.js")} - {"notebook_map.js"}


@pytest.mark.parametrize("component", SCRIPTS)
def test_a_script_passes_the_linter(component: str, tmp_path: Path) -> None:
    path = tmp_path / f"{component}.js"
    path.write_text(script(component), encoding="utf-8")
    command = [str(OXLINT), "--config", str(RULES), "--deny-warnings", str(path)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
