"""One row of the bench."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One row of the bench: a number with its unit, and what is aimed at."""

    what: str
    value: float
    unit: str
    aim: str = ""

    @property
    def shown(self) -> str:
        """The number as people read it."""
        digits = 0 if self.unit in ("ms", "tokens/s") else 2
        return f"{self.value:,.{digits}f} {self.unit}"
