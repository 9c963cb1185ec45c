"""Merging of task options: session, then request, then task, nearest first.

Released servers up to 0.40.1 take the farther duration and retries whenever the nearer ones are
given, and zero when they are zero; later ones take the nearest that is not zero. The priority is
never merged: a message that leaves it out says 0.
"""

from __future__ import annotations

from typing import TypeVar

from pymonik.emulator.state.generation import Generation
from pymonik.emulator.state.records import Options

Limit = TypeVar("Limit", int, float)


def merge(near: Options | None, far: Options, generation: Generation) -> Options:
    """Apply the nearer options over the farther ones, as the given generation does it."""
    if near is None:
        return far
    return Options(
        max_duration=_limit(near.max_duration or 0.0, far.max_duration or 0.0, generation),
        max_retries=_limit(near.max_retries, far.max_retries, generation),
        priority=near.priority,
        partition=near.partition or far.partition,
        application_name=near.application_name or far.application_name,
        application_version=near.application_version or far.application_version,
        application_namespace=near.application_namespace or far.application_namespace,
        application_service=near.application_service or far.application_service,
        engine_type=near.engine_type or far.engine_type,
        entries={**far.entries, **near.entries} if near.entries else far.entries,
    )


def _limit(near: Limit, far: Limit, generation: Generation) -> Limit:
    if generation.nearest_limits_win:
        return near or far
    return far if near else near
