"""The two server generations, as one table of what differs between them.

"0.37.2" is what the reference deployment installs; "HEAD" is the main branch of the engine.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Generation:
    """Status codes and behaviour of one server version."""

    name: str
    core: str
    api: str
    unknown_partition: str
    unknown_session_at_submit: str
    unknown_input: str
    refuses_dead_inputs: bool
    nearest_limits_win: bool
    probe_timeout: float | None
    probe_failures: int
    errors_are_forgiven: bool


GENERATIONS = {
    "HEAD": Generation(
        name="HEAD",
        core="0.41.0",
        api="3.29.4",
        unknown_partition="NOT_FOUND",
        unknown_session_at_submit="NOT_FOUND",
        unknown_input="NOT_FOUND",
        refuses_dead_inputs=True,
        nearest_limits_win=True,
        probe_timeout=5.0,
        probe_failures=1,
        errors_are_forgiven=True,
    ),
    "0.37.2": Generation(
        name="0.37.2",
        core="0.37.2",
        api="3.28.3",
        unknown_partition="INVALID_ARGUMENT",
        unknown_session_at_submit="UNKNOWN",
        unknown_input="UNKNOWN",
        refuses_dead_inputs=False,
        nearest_limits_win=False,
        probe_timeout=10.0,
        probe_failures=3,
        errors_are_forgiven=False,
    ),
}


def generation(name: str) -> Generation:
    """Look a generation up by name."""
    try:
        return GENERATIONS[name]
    except KeyError:
        choices = ", ".join(GENERATIONS)
        raise ValueError(f"unknown server generation {name!r}: choose one of {choices}") from None
