"""Observers of the units that run, such as the recorder of a run: notified, never asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymonik.plan.unit import Unit


class Observer:
    """Notified in the thread in which things happen: it must be quick, and change nothing.

    Overrides what it wants to be notified of.
    """

    def ended(self, executor: int, unit: Unit, elements: int, seconds: float) -> None:
        """Take note of a piece that ended."""

    def made(self, unit: Unit, units: Sequence[Unit], bindings: Sequence[Any]) -> None:
        """Take note of units that calls of a unit made; bindings: which stand for its values."""
