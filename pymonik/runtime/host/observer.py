"""Those who look on while units run, such as who records the run: told, and asked nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit


class Observer:
    """Told of what happens, where it happens: it must be quick, and touch nothing.

    Overrides what it wants to be told.
    """

    def ended(self, executor: int, unit: Unit, elements: int, seconds: float) -> None:
        """Take note of a piece that ended."""

    def made(self, unit: Unit, units: Sequence[Unit], bindings: Sequence[Any]) -> None:
        """Take note of units that calls of a unit made; bindings: which stand for its values."""
