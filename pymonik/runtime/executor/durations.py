"""How long calls take, as an executor has seen it: without those that they record."""

from __future__ import annotations


class Durations:
    """Seconds of calls, by the names of tasks.

    The middle one of the last three counts: one that was disturbed, or had to import what others
    use, changes nothing.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, ...]] = {}

    def observe_duration(self, name: str, seconds: float) -> None:
        """Note how long a call took."""
        self._last[name] = (*self._last.get(name, ())[-2:], seconds)

    def expected(self, name: str) -> float | None:
        """Return how long a call takes; None where nothing is known."""
        known = self._last.get(name)
        if known is None:
            return None
        return sorted(known)[1] if len(known) > 2 else min(known)
