"""A thread with a deeper stack: what is pickled in it does not wait for the same thread."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pymonik.capture.freeze import freeze
from pymonik.capture.text.canonical_text import text
from pymonik.system.deep_stack import can_go_deeper, deeply


def _nested(levels: int, inner: Any = None) -> list[Any]:
    nested = [inner]
    for _ in range(levels):
        nested = [nested]
    return nested


class _Freezing:
    """An object that freezes another one, deeper than any stack, while it is pickled itself."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    def __reduce__(self) -> Any:
        try:
            freeze(_nested(20_000))
        except Exception as error:
            self.errors.append(error)
        return int, (1,)


def test_there_is_no_deeper_stack_than_the_deep_one() -> None:
    assert deeply(can_go_deeper) is False


def test_what_is_too_deep_for_the_deep_stack_is_refused_within_it() -> None:
    freezing = _Freezing()
    # In the deep thread where there is one: the program's own stack is not enough for it.
    frozen, _, _ = deeply(lambda: freeze([freezing]))
    assert frozen
    assert freezing.errors
    assert all("recursion" in str(error) for error in freezing.errors)


class _Finalized:
    """Garbage that needs some room on the stack to go."""

    ended = 0

    circle: Any

    def __del__(self) -> None:
        type(self).ended += bool(repr(_nested(50)))


class _Littering:
    """An object that leaves garbage behind when it is pickled, as deep as it lies."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __reduce__(self) -> Any:
        # Without a constructor: that could have no room, and what is then made is no garbage.
        litter = _Finalized()
        litter.circle = litter
        return _Littering, (self.inner,)


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Collect garbage at each chance; return what finalizers raise."""
    errors: list[Any] = []
    # Made before: a hook that has no room left fails, too.
    monkeypatch.setattr(sys, "unraisablehook", errors.append)
    threshold = gc.get_threshold()
    gc.collect()
    gc.set_threshold(1, 1, 1)
    yield errors
    gc.set_threshold(*threshold)
    gc.collect()


@pytest.mark.parametrize("write", [freeze, text])
def test_finalizers_have_room_however_deep_an_object_goes(write: Any, failed: list[Any]) -> None:
    littering: Any = None
    for _ in range(600):
        littering = _Littering(littering)
    _Finalized.ended = 0
    for _ in range(5):
        write(littering)
    gc.collect()
    assert _Finalized.ended >= 5 * 600
    assert failed == []
    assert gc.isenabled()
