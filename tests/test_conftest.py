"""What all tests share: what no test is blamed for."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import had_no_room


class Finalized:
    """Garbage that needs some room on the stack to go, or more than there is."""

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.circle = self

    def __del__(self) -> None:
        go_down(self.levels)


def go_down(levels: int) -> None:
    if levels:
        go_down(levels - 1)


def collected_near_the_bottom() -> int:
    """Collect garbage where there is room for twenty more calls; return for how many there is."""
    try:
        room = collected_near_the_bottom() + 1
    except RecursionError:
        return 0
    if room == 20:
        gc.collect()
    return room


def litter(levels: int, collect: Callable[[], Any]) -> None:
    gc.disable()
    Finalized(levels)
    collect()
    gc.enable()


def test_no_test_fails_because_a_finalizer_had_no_room() -> None:
    litter(50, collected_near_the_bottom)


def test_finalizers_that_take_all_room_themselves_are_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda given: told.append(had_no_room(given)))
    litter(-1, gc.collect)
    litter(50, collected_near_the_bottom)
    litter(5, collected_near_the_bottom)
    assert told == [False, True]
