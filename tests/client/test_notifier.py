"""The notifier, alone: a callback is called once, when its call has ended in whatever way."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from pymonik.client.async_waiter import AsyncWaiter
from pymonik.client.callbacks import CALLBACKS, Callbacks
from pymonik.client.handled import Handled
from pymonik.client.waiter import Waiter
from pymonik.errors import LostValueError, OptionsError
from tests.conformance.seams import Other, until
from tests.interruption import Interruption

from .fakes import Alone, double


def test_a_callback_of_a_call_that_was_not_sent_waits_for_the_flush() -> None:
    alone, called = Alone(), []  # type: tuple[Alone, list[Any]]
    handle = double.invoke(1, pymonik=alone.scope)
    alone.notifier.add_done_callback(handle, called.append)
    assert len(alone.notifier.unsent) == 1
    alone.flush()
    alone.notifier.flushed()
    assert (alone.notifier.unsent, len(alone.notifier.watches)) == ([], 1)
    alone.backend.answer([2])
    CALLBACKS.drain()
    assert called == [handle]
    assert not alone.notifier.watches


def test_a_call_that_has_ended_is_told_of_at_once() -> None:
    alone, called = Alone(), []  # type: tuple[Alone, list[Any]]
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    alone.backend.answer([2])
    alone.notifier.add_done_callback(handle, called.append)
    assert called == [handle]


def lost_amid_a_plan() -> tuple[Alone, Any]:
    """Give a client, amid a plan, and the handle of a value that nothing will bring."""
    alone = Alone()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    alone.backend.lost.add(id(alone.backend.units[0].outputs))
    alone.state.plans_under_way = 1
    return alone, handle


def test_what_is_lost_is_told_of_when_no_plan_is_on_its_way() -> None:
    (alone, handle), called = lost_amid_a_plan(), []  # type: tuple[Any, list[Any]]
    alone.notifier.add_done_callback(handle, called.append)
    CALLBACKS.drain()
    assert called == []
    alone.state.plans_under_way = 0
    alone.notifier.flushed()
    CALLBACKS.drain()
    assert called == [handle]


def test_a_value_whose_loss_was_told_is_awaited_no_more() -> None:
    """Where a thread is stopped between the two, the end of the client would fail once more."""
    (alone, handle), seen = lost_amid_a_plan(), []  # type: tuple[Any, list[Any]]
    notifier = alone.notifier
    notifier.when_ended(handle, lambda: seen.append((notifier.watched(), len(notifier.watches))))
    assert notifier.watched() == (handle._node, handle._index)
    alone.state.plans_under_way = 0
    notifier.flushed()
    assert seen == [(None, 1)]
    assert not notifier.watches


def test_a_callback_is_called_though_there_was_no_thread_to_spare(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("pymonik.client.notifier.CALLBACKS", Callbacks())
    alone, called = Alone(), []  # type: tuple[Alone, list[Any]]
    handle = double.invoke(1, pymonik=alone.scope)
    alone.notifier.add_done_callback(handle, called.append)
    alone.flush()
    alone.notifier.flushed()
    with monkeypatch.context() as spared:
        spared.setattr(threading.Thread, "start", refuse)
        alone.backend.answer([2])
    assert (called, alone.notifier.watches) == ([], {})
    alone.notifier.drain()
    assert called == [handle]


def test_calls_that_are_dropped_have_ended() -> None:
    alone, called = Alone(), []  # type: tuple[Alone, list[Any]]
    one, two = (double.invoke(i, pymonik=alone.scope) for i in range(2))
    alone.notifier.add_done_callback(one, called.append)
    alone.state.is_closed = True
    alone.notifier.tell_dropped()
    alone.notifier.add_done_callback(two, called.append)
    CALLBACKS.drain()
    assert called == [one, two]


def test_a_callback_that_fails_keeps_no_other_from_being_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    alone, called = Alone(), []  # type: tuple[Alone, list[Any]]
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()

    def fail(_: Any) -> None:
        raise ValueError("mine")

    # A handle shows itself through the views of its scope.
    alone.scope.views = type("Views", (), {"describe": lambda self, handle: "of double"})()
    alone.notifier.add_done_callback(handle, fail)
    alone.notifier.add_done_callback(handle, called.append)
    alone.backend.answer([2])
    CALLBACKS.drain()
    assert called == [handle]
    assert "a callback of <ResultHandle of double> failed" in caplog.text


def test_a_callback_is_a_function() -> None:
    alone = Alone()
    with pytest.raises(OptionsError, match="add_done_callback takes a function"):
        alone.notifier.add_done_callback(double.invoke(1, pymonik=alone.scope), 1)  # type: ignore[arg-type]


# ----- event loops


def async_waiter(alone: Alone) -> AsyncWaiter:
    waiter = Waiter(alone.engine, alone.locator, alone.arrivals, Handled(alone.engine))
    return AsyncWaiter(
        alone.engine,
        alone.recorder.pending,
        alone.flush,
        alone.locator,
        alone.notifier,
        waiter,
    )


def test_a_coroutine_goes_on_when_the_value_has_come() -> None:
    alone = Alone()
    handle = double.invoke(1, pymonik=alone.scope)
    user = Other(lambda: asyncio.run(async_waiter(alone).value(handle)))
    until(lambda: alone.notifier.watches)
    alone.backend.answer([2])
    assert user.value() == 2


def test_a_coroutine_takes_values_as_they_come() -> None:
    alone = Alone()
    handles = [double.invoke(i, pymonik=alone.scope) for i in range(2)]

    async def ended() -> list[Any]:
        return [handle async for handle in async_waiter(alone).completed(handles, None)]

    user = Other(lambda: asyncio.run(ended()))
    until(lambda: len(alone.notifier.watches) == 2)
    alone.backend.answer([2], unit=1)
    alone.backend.answer([0], unit=0)
    assert user.value() == [handles[1], handles[0]]


def test_a_coroutine_is_told_that_its_value_is_lost() -> None:
    alone = Alone()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    alone.backend.lost.add(id(alone.backend.units[0].outputs))
    with pytest.raises(LostValueError):
        asyncio.run(async_waiter(alone).value(handle))


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_callback_that_is_added_or_watched_for_amid_ctrl_c_is_called_once(is_sent: bool) -> None:
    """And nothing is left for which the end of the client would wait."""
    place, is_through, counts = 0, False, set()
    while not is_through:
        place += 1
        alone, called = Alone(), []  # type: tuple[Alone, list[Any]]
        handles = [double.invoke(i, pymonik=alone.scope) for i in range(2)]
        for handle in () if is_sent else handles:
            alone.notifier.add_done_callback(handle, called.append)
        alone.flush()
        with Interruption(place) as interruption:
            for handle in handles if is_sent else ():
                alone.notifier.add_done_callback(handle, called.append)
            alone.notifier.flushed()
        is_through = not interruption.has_come
        alone.notifier.flushed()
        alone.backend.answer([0])
        alone.backend.answer([2], unit=1)
        CALLBACKS.drain()
        assert (alone.notifier.unsent, list(alone.notifier.watches)) == ([], []), place
        assert len(called) == len(set(map(id, called)))
        counts.add(len(called))
    assert place > 20
    # What was added before is called; what Ctrl-C keeps from being added was raised there.
    assert counts == ({0, 1, 2} if is_sent else {2})
