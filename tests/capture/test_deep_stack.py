"""A thread with a deeper stack: what is pickled in it does not wait for the same thread."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik.capture.freeze import freeze
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


@pytest.mark.timeout(60)  # it waited for itself, for ever
def test_what_is_too_deep_for_the_deep_stack_is_refused_within_it() -> None:
    freezing = _Freezing()
    # In the deep thread where there is one: the program's own stack is not enough for it.
    frozen, _, _ = deeply(lambda: freeze([freezing]))
    assert frozen
    assert freezing.errors
    assert all("recursion" in str(error) for error in freezing.errors)
