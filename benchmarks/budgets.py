"""Budgets: what a figure should be, absolutely or as a ratio to another figure of the same run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    Figures = Mapping[tuple[str, str], float]  # (program, peer) → median


@dataclass(frozen=True)
class Budget:
    """`limit` (times the figure `of`) (plus the figure `plus`); a figure is (program, peer)."""

    limit: float
    of: tuple[str, str] | None = None
    plus: tuple[str, str] | None = None

    def value(self, figures: Figures) -> float | None:
        """Return the budget as a number, or None where the run lacks a figure it stands on."""
        if any(name not in figures for name in (self.of, self.plus) if name):
            return None
        scaled = self.limit * (figures[self.of] if self.of else 1)
        return scaled + (figures[self.plus] if self.plus else 0)
