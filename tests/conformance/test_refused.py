"""A call that cannot be compiled fails alone: whatever else was recorded runs."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik import Pymonik, TaskOptions, task
from pymonik.errors import TaskFailed

from .conftest import Connect, story
from .programs import add, square, total

HUGE = 1 << 20_000


def refused() -> TaskOptions:
    """Options that are found to be impossible only when a program is made of them."""

    class Held(Exception):
        rows = (row for row in ())  # no pickler takes a generator

    return TaskOptions(retries=1, retry_on=(Held,))


@task(pure=True)
def bits(pair: tuple[int, ...]) -> int:
    return pair[0].bit_length()


def test_a_number_of_any_length_is_an_argument_of_any_call(connect: Connect) -> None:
    with connect() as client:
        pairs = [bits.invoke((HUGE, 1)) for _ in range(2)]
        nested = bits.map_invoke([((HUGE, (HUGE, -HUGE)),), ((2, HUGE),)])
        plain = Pymonik.put(client, HUGE)
        assert [h.get() for h in pairs] == [20_001] * 2
        assert nested.get() == [20_001, 2]
        assert add.invoke(plain, -HUGE).get() == 0
        assert client.plan().calls == 0
        last = bits.invoke((HUGE, 3))
        assert "0x1000" in str(client.plan())
        assert last.get() == 20_001


def test_a_cached_call_takes_a_number_of_any_length(
    connect: Connect, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYMONIK_VALUES_FOLDER", str(tmp_path))

    @task(pure=True, cache=True)
    def length(x: Any) -> int:
        return len(hex(x[0] if isinstance(x, tuple) else x))

    with connect() as client:
        for _ in range(2):
            assert length.map_invoke([HUGE, 1]).get() == [len(hex(HUGE)), 3]
            assert length.invoke((HUGE,)).get() == len(hex(HUGE))
        assert client.stats.reused == 3


@pytest.mark.parametrize("many", [False, True], ids=["call", "map"])
def test_a_call_that_cannot_be_compiled_is_its_own_error(client: Pymonik, many: bool) -> None:
    before = square.invoke(2)
    if many:
        culprit = square.map_invoke([3, 4], task_options=refused())[1]
    else:
        culprit = square.invoke(4, task_options=refused())
    below, beside = total.invoke([before, culprit]), add.invoke(before, 1)
    assert (before.get(), beside.get()) == (4, 5)
    error = culprit.exception()
    assert isinstance(error, TypeError)
    assert "generator" in str(error)
    assert story(culprit).task == "square"
    assert "cannot be sent" in str(story(culprit))
    assert story(below).path[-1] == "total"
    assert square.invoke(5).get() == 25


def test_many_calls_that_cannot_be_compiled_are_told_one_by_one(client: Pymonik) -> None:
    options = refused()
    handles = [square.invoke(i, task_options=options if i % 3 else None) for i in range(20)]
    errors = [h.exception() for h in handles]
    assert [error is None for error in errors] == [i % 3 == 0 for i in range(20)]
    assert [h.get() for h in handles[::3]] == [i * i for i in range(0, 20, 3)]


def test_a_sub_task_that_cannot_be_compiled_fails_alone(client: Pymonik) -> None:
    @task
    def parent(n: int) -> Any:
        options = refused()
        return [square.invoke(n), square.invoke(n, task_options=options)] if n else square.invoke(3)

    bad, good = parent.invoke(2), parent.invoke(0)
    assert good.get() == 9
    assert isinstance(bad.exception(), (TypeError, TaskFailed))
    assert "cannot be sent" in str(story(bad))


def test_a_refused_call_that_nobody_looks_at_is_raised_in_the_end(connect: Connect) -> None:
    with pytest.raises(TypeError, match="generator"), connect():
        square.invoke(2, task_options=refused())
