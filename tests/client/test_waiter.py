"""The waiter, alone: it asks for what was sent, and nothing else brings or loses a value."""

from __future__ import annotations

from typing import Any

import pytest

import pymonik.client.handled as handled_module
from pymonik.client.handled import Handled
from pymonik.client.waiter import Waiter
from pymonik.errors import BackendError, LostValueError, NoClientError, TaskFailed
from pymonik.system.conditions import SafeCondition
from pymonik.values.outcome import Failure
from tests.conformance.seams import PATIENCE, Other, until

from .fakes import Alone, double


class Waits(Alone):
    """A waiter, and what it needs."""

    def __init__(self, is_remote: bool = False) -> None:
        super().__init__(is_remote)
        self.handled = Handled(self.engine)
        self.waiter = Waiter(self.engine, self.locator, self.arrivals, self.handled)


def test_what_is_pending_is_sent_and_its_value_waited_for() -> None:
    alone = Waits()
    handle = double.invoke(1, pymonik=alone.scope)
    user = Other(lambda: alone.waiter.value(handle, None))
    until(lambda: alone.backend.changed._waiters)
    alone.backend.answer([2])
    assert user.value() == 2
    assert alone.flushes == 1
    assert len(alone.backend.wanted) == 1


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_a_wait_amid_a_flush_of_its_own_thread_says_where_to_wait(timeout: float | None) -> None:
    """A finalizer of the user's runs there: nothing is lost, its call goes with the next flush."""
    alone = Waits()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.locator._flush = lambda: None  # it comes too early
    with alone.state.lock, alone.state.compiling():
        with pytest.raises(BackendError, match="runs inside a flush"):
            alone.waiter.value(handle, timeout)
        with pytest.raises(LostValueError):  # another thread is not amid it
            Other(lambda: alone.waiter.value(handle, timeout)).value()


def test_a_value_that_is_here_is_given_without_a_word_to_the_backend() -> None:
    alone = Waits()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    alone.backend.answer([2])
    assert alone.waiter.value(handle, 0) == 2
    assert alone.backend.wanted == []


def test_values_of_a_map_come_together() -> None:
    alone = Waits()
    handles = double.map_invoke([1, 2, 3], pymonik=alone.scope)
    user = Other(lambda: alone.waiter.values(handles._runs, None))
    for unit in range(3):
        until(lambda: alone.backend.changed._waiters)
        alone.backend.answer([2 * unit + 2], unit=unit)
    assert user.value() == [2, 4, 6]


def test_handles_come_in_the_order_in_which_their_calls_end() -> None:
    alone = Waits()
    handles = [double.invoke(i, pymonik=alone.scope) for i in range(2)]
    ended = alone.waiter.completed(handles, PATIENCE)
    alone.flush()
    alone.backend.answer([2], unit=1)
    assert next(ended) is handles[1]
    alone.backend.answer([0], unit=0)
    assert list(ended) == [handles[0]]


def test_a_wait_with_a_time_is_given_up_and_nothing_is_lost() -> None:
    alone = Waits()
    handle = double.invoke(1, pymonik=alone.scope)
    with pytest.raises(TimeoutError, match="nothing is lost"):
        alone.waiter.value(handle, 0)
    assert not alone.waiter.is_done(handle)
    alone.backend.answer([2])
    assert alone.waiter.is_done(handle)
    assert alone.waiter.value(handle, 0) == 2


def test_what_nobody_expects_is_an_error_at_once() -> None:
    alone = Waits()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    alone.backend.lost.add(id(alone.backend.units[0].outputs))
    for ask in (
        lambda: alone.waiter.value(handle, None),
        lambda: alone.waiter.is_done(handle),
        lambda: list(alone.waiter.completed([handle], None)),
    ):
        with pytest.raises(LostValueError, match="'double', called at"):
            ask()


def test_while_a_plan_is_on_its_way_nothing_is_lost() -> None:
    alone = Waits()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.scope.send()  # to nobody yet
    alone.state.plans_under_way = 1
    assert not alone.arrivals.is_lost(handle._node, 0)
    alone.state.plans_under_way = 0
    assert alone.arrivals.is_lost(handle._node, 0)


class Told(SafeCondition):
    """A condition on which who brings news looks on behalf of those who wait, as that of a host."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[Any] = []

    def wait_for(self, predicate: Any, timeout: float | None = None) -> Any:
        self.questions.append(predicate)
        return super().wait_for(predicate, timeout)


def test_who_brings_news_amid_a_flush_does_not_find_what_another_waits_for_lost() -> None:
    """It is on its way: only who sends it waits for it in vain meanwhile."""
    alone = Waits()
    alone.backend.changed = told = Told()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    lost = alone.backend.lost
    lost.add(id(alone.backend.units[0].outputs))
    alone.state.plans_under_way = 1
    other = Other(lambda: alone.waiter.value(handle, None))
    until(lambda: told._waiters)  # type: ignore[attr-defined]
    with alone.state.lock, told:
        assert not told.questions[-1]()
        told.notify_all()
    lost.clear()
    alone.state.plans_under_way = 0
    alone.backend.answer([2])
    assert other.value() == 2


def test_a_broken_backend_ends_the_wait() -> None:
    alone = Waits()
    handle = double.invoke(1, pymonik=alone.scope)
    user = Other(lambda: alone.waiter.value(handle, None))
    until(lambda: alone.backend.changed._waiters)
    with alone.backend.changed:
        alone.backend.problem = OSError("the wire is cut")
        alone.backend.changed.notify_all()
    with pytest.raises(OSError, match="wire"):
        user.value()


def test_failures_that_were_looked_at_are_handled() -> None:
    alone = Waits()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    failure = Failure("error", "it broke", "double")
    alone.backend.answer([failure])
    assert list(alone.handled.unseen([failure])) == [failure]
    assert isinstance(alone.waiter.exception(handle, 0), TaskFailed)
    assert list(alone.handled.unseen([failure])) == []


def test_what_led_to_a_failure_that_was_handled_is_handled_and_only_what_may_fail_yet_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handled_module, "_MANY", 1)
    alone, broken = Waits(), [Failure("error", f"{n} broke", "double") for n in range(2)]
    sources = [double.invoke(n, pymonik=alone.scope) for n in range(2)]
    handle = double.invoke(sources, pymonik=alone.scope)
    alone.flush()
    alone.backend.answer([broken[0]])
    alone.backend.answer([broken[0].below("double", [])], unit=2)
    assert isinstance(alone.waiter.exception(handle, 0), TaskFailed)
    assert list(alone.handled.unseen([broken[0]])) == []
    assert (len(alone.handled._below), len(alone.handled._open)) == (0, 1)
    alone.backend.answer([broken[1]], unit=1)
    assert list(alone.handled.unseen([broken[1]])) == []
    assert (alone.handled._below, alone.handled._open) == ({}, {})


def test_a_call_that_was_dropped_is_an_error() -> None:
    alone = Waits()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.recorder.pending.clear()
    alone.state.is_closed = True
    with pytest.raises(NoClientError, match="never sent"):
        alone.waiter.value(handle, None)


def test_a_wait_with_a_time_leaves_a_slow_flush_behind() -> None:
    """A cluster may not answer: another thread flushes for who has no time."""
    alone = Waits(is_remote=True)
    handle = double.invoke(1, pymonik=alone.scope)
    with alone.state.lock:
        held = Other(lambda: alone.waiter.value(handle, 0.0))
        with pytest.raises(TimeoutError):
            held.value()
    until(lambda: alone.backend.plans)
