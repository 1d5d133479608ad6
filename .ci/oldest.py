"""Constraints for pip: of every dependency the oldest version that pyproject.toml allows."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
for line in project["dependencies"]:
    requirement = Requirement(line)
    bounds = [each.version for each in requirement.specifier if each.operator == ">="]
    sys.stdout.writelines(f"{requirement.name}=={bound}\n" for bound in bounds)
