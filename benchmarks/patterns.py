"""Patterns of dependencies, as Task Bench names them: which values of a row the next one takes.

In: a pattern's name, a width, steps. Out: for each step, for each place of it, the places of the
row before that it takes. All places of a pattern take equally many: pools can map over them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# For each step: for each place: the places it takes.
Wiring = list[list[tuple[int, ...]]]


def _no_comm(step: int, place: int, width: int) -> tuple[int, ...]:
    return (place,)


def _tree(step: int, place: int, width: int) -> tuple[int, ...]:
    """Take the value of the parent in a binary tree: one place feeds all in a few steps."""
    return (place // 2,)


def _fft(step: int, place: int, width: int) -> tuple[int, ...]:
    stages = width.bit_length() - 1
    return place, place ^ (1 << step % stages)


def _all_to_all(step: int, place: int, width: int) -> tuple[int, ...]:
    return tuple(range(width))


PATTERNS: dict[str, Callable[[int, int, int], tuple[int, ...]]] = {
    "no-comm": _no_comm,
    "tree": _tree,
    "fft": _fft,
    "all-to-all": _all_to_all,
}


def wiring(pattern: str, width: int, steps: int) -> Wiring:
    """Return what each call of a graph takes; the width is a power of two."""
    sources = PATTERNS[pattern]
    return [[sources(step, place, width) for place in range(width)] for step in range(steps)]
