"""What a graph is compiled for: the part of an engine that the passes may know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pymonik.system.structs import Struct, field


def _cost_of(spec: Any) -> float | None:
    """Return what has been declared of the calls of a spec."""
    cost: float | None = spec.options.cost
    return cost


class Target(Struct):
    """What a graph is compiled for.

    slots: calls that can run at once. seconds: gives the expected seconds of a call of a spec, or
    None. durations: seconds an element of a map took before, by its name. chunk_size: elements a
    unit, in place of the compiler's choice. isolates_delegating: calls that may delegate get units
    of their own, so that a whole unit's value can be handed over. grain: the most calls of several
    levels that make one unit, 0 for none. exchanges: executors that run a unit together hand values
    to each other.
    """

    # As `default_slots` of the settings: for who compiles and knows of no engine.
    slots: int = 8
    seconds: Callable[[Any], float | None] = _cost_of
    durations: Mapping[str, float] = field(default_factory=dict)
    chunk_size: int | None = None
    isolates_delegating: bool = False
    grain: int = 0
    exchanges: bool = False
