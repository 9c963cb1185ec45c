"""The canceller, alone: what was not sent is dropped, what was is left to the backend."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from pymonik.client.cancel import Canceller, _take_out
from pymonik.values.outcome import Failure
from tests.conformance.seams import Other
from tests.interruption import is_free

from .fakes import Alone, double
from .test_submitter import Submits


class Cancels(Alone):
    """A canceller, and what it needs."""

    def __init__(self) -> None:
        super().__init__()
        self.canceller = Canceller(self.state, self.recorder, self.engine, self.notifier.watch_sent)


def record_of(handle: Any) -> Any:
    return handle._node.location.record(handle._node.offset + handle._index)


def test_a_call_that_was_not_sent_goes_with_all_that_depend_on_it() -> None:
    alone = Cancels()
    first = double.invoke(1, pymonik=alone.scope)
    second = double.invoke(first, pymonik=alone.scope)
    third = double.invoke(3, pymonik=alone.scope)
    assert alone.canceller.cancel_call(first)
    assert alone.recorder.pending == [third._node]
    assert [type(record_of(handle)) for handle in (first, second)] == [Failure, Failure]
    assert alone.engine.backend is None


def test_numbers_are_given_before_a_call_is_dropped() -> None:
    alone = Cancels()
    first, second = (double.invoke(i, pymonik=alone.scope) for i in range(2))
    alone.canceller.cancel_call(first)
    alone.recorder.number()
    assert second._node.spawn_key == 1


def test_a_call_that_was_sent_is_stopped_by_its_backend() -> None:
    alone = Cancels()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    assert alone.canceller.cancel_call(handle)
    assert alone.backend.cancelled == [alone.backend.units[0].outputs]


def test_a_call_that_has_ended_stays_as_it_is() -> None:
    alone = Cancels()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    alone.backend.answer([2])
    assert not alone.canceller.cancel_call(handle)
    assert alone.backend.cancelled == []


def test_a_call_that_is_being_compiled_is_too_late_to_drop() -> None:
    alone = Cancels()
    handle = double.invoke(1, pymonik=alone.scope)
    with alone.state.lock:
        alone.state.is_compiling = True
        assert not alone.canceller.cancel_call(handle)
        alone.state.is_compiling = False
    assert alone.canceller.cancel_call(handle)


def test_a_call_of_a_closed_client_was_dropped() -> None:
    alone = Cancels()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.state.is_closed = True
    assert alone.canceller.cancel_call(handle)


def test_a_unit_goes_on_while_one_of_its_calls_is_wanted() -> None:
    alone = Submits()
    canceller = Canceller(alone.state, alone.recorder, alone.engine, alone.notifier.watch_sent)
    handles = double.map_invoke(range(2), pymonik=alone.scope, pmk_chunk_size=2)
    alone.submitter.flush()
    [unit] = alone.backend.units
    assert not canceller.cancel_call(handles[0])
    assert alone.backend.cancelled == []
    assert canceller.cancel_call(handles[1])
    assert alone.backend.cancelled == [unit.outputs]


def test_a_call_that_ends_while_it_is_stopped_was_not_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = Cancels()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()

    def is_stopped() -> bool:
        alone.backend.answer([2])
        return True

    monkeypatch.setattr(alone.backend, "is_stopped", is_stopped)
    assert not alone.canceller.cancel_call(handle)
    assert record_of(handle) == 2


def test_the_answer_of_the_backend_is_waited_for_without_the_lock() -> None:
    """Before it comes, a log handler or a finalizer amid the backend's work may flush."""
    alone = Cancels()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    alone.backend.is_stopped = lambda: Other(partial(is_free, alone.state.lock)).value()
    assert alone.canceller.cancel_call(handle)


def test_who_cancels_amid_a_flush_does_not_wait_for_the_answer() -> None:
    """As a finalizer may: the lock is not its own to let go of."""
    alone = Cancels()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    alone.backend.is_stopped = None
    with alone.state.lock:
        assert alone.canceller.cancel_call(handle)
    assert alone.backend.cancelled == [alone.backend.units[0].outputs]


class Counted(list[Any]):
    """A list that counts how often something is taken out of it."""

    taken = 0

    def __delitem__(self, place: Any) -> None:
        self.taken += 1
        super().__delitem__(place)

    def remove(self, value: Any) -> None:
        raise AssertionError("each removal looks at all that is pending")


def test_a_chain_that_depends_on_a_cancelled_call_goes_at_once() -> None:
    pending = Counted(range(10))
    _take_out(pending, {id(n): n for n in (1, 4, 5, 6, 9)})
    assert pending == [0, 2, 3, 7, 8]
    assert pending.taken == 3
