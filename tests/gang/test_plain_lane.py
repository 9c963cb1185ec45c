"""Plain calls of lanes: how they take what other executors have made."""

from __future__ import annotations

import time
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

from pymonik.runtime.executor.plain_lane import PlainCalls
from pymonik.wire.shared_cells import EMPTY, SharedCells

# The part of a step that calls share: of one without options.
CODE = ("add", "add", (), None, None, 0)


def ran(other: Any) -> tuple[Any, list[int], list[Any]]:
    """Run a call that takes 1 and what another has made; return what is left, waits and values.

    other: what the other has made, `EMPTY` where it has not yet.
    """
    file = SharedCells.new_file(2, 2)
    cells, made, waits = SharedCells(file.fd, 2, 2), [EMPTY, EMPTY], list[int]()
    if other is not EMPTY:
        assert cells.put(0, other)

    def wait(place: int) -> None:
        waits.append(place)
        made[place] = 20

    shared = SimpleNamespace(codes=(CODE, CODE))
    program = SimpleNamespace(shared=shared, sources=(((), (0, -1)), [1]))
    runner: Any = SimpleNamespace(
        assignment=SimpleNamespace(program=program),
        loaded=lambda function: lambda: lambda left, right: left + right,
        hosting=SimpleNamespace(
            page=SimpleNamespace(numbers=[0] * 9),
            subtasks=SimpleNamespace(recorded=[]),
            restore=SimpleNamespace(is_changed=lambda: False),
            contexts=SimpleNamespace(maker=lambda: copy_context),
        ),
    )
    calls = PlainCalls(runner, cells, made, (), wait, lambda: None)
    return calls(iter([1]), time.monotonic, time.monotonic() + 1_000), waits, made


def test_a_value_that_is_there_is_taken_without_a_wait() -> None:
    assert ran(7) == (None, [], [7, 8])
    assert ran(0.5) == (None, [], [0.5, 1.5])


def test_all_else_is_waited_for() -> None:
    assert ran(EMPTY) == (None, [0], [20, 21])
    assert ran((1, 2)) == (None, [0], [20, 21])  # no immediate: it is kept in another way
