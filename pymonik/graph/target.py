"""What a graph is compiled for: the part of an engine that the passes may know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Target:
    """What a graph is compiled for.

    slots: calls that can run at once. seconds: gives the expected seconds of a call of a spec, or
    None. known: seconds an element of a map took before, by the map's name. chunk_size: elements a
    unit, in place of the compiler's choice. isolates_delegating: calls that may delegate get units
    of their own, so that a whole unit's value can be handed over. grain: the most calls of several
    levels that make one unit, 0 for none.
    """

    slots: int = 8
    seconds: Callable[[Any], float | None] = field(default=lambda spec: spec.options.cost)
    known: Mapping[str, float] = field(default_factory=dict)
    chunk_size: int | None = None
    isolates_delegating: bool = False
    grain: int = 0
