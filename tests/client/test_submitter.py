"""The submitter, alone: what is pending is sent once, by one thread at a time."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pymonik.client.submitter import Submitter
from pymonik.errors import NoClientError
from pymonik.values.outcome import Failure
from tests.conformance.seams import Other
from tests.interruption import is_free

from .fakes import double
from .test_compiler import Compiles


class Submits(Compiles):
    """A submitter, and what it needs. `ended` notes after each flush whether the lock is free."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.ended: list[bool] = []
        self.submitter = Submitter(
            self.state,
            self.recorder,
            self.compiler,
            self.engine,
            self.names,
            self.cached_values,
            None,
            lambda: self.ended.append(not self.state.is_held_here),
        )


def test_what_is_pending_is_one_plan() -> None:
    alone = Submits()
    handles = [double.invoke(i, pymonik=alone.scope) for i in range(3)]
    alone.submitter.flush()
    [plan] = alone.backend.plans
    assert (plan.calls, alone.recorder.pending) == (3, [])
    assert all(handle._node.location is not None for handle in handles)
    assert (alone.submitter.stats.submissions, alone.submitter.stats.calls) == (1, 3)
    assert alone.ended == [True]
    assert alone.backend.prepared == [3]


def test_nothing_is_sent_where_nothing_is_pending() -> None:
    alone = Submits()
    alone.submitter.flush()
    assert (alone.engine.backend, alone.ended) == (None, [])


def test_a_plan_is_looked_at_and_not_sent() -> None:
    alone = Submits()
    double.invoke(1, pymonik=alone.scope)
    assert len(alone.submitter.plan().units) == 1
    assert alone.backend.plans == []
    assert len(alone.recorder.pending) == 1


def test_what_is_recorded_while_others_are_sent_goes_with_the_next_flush() -> None:
    alone = Submits()
    double.invoke(1, pymonik=alone.scope)
    submit = alone.backend.submit

    def record_and_submit(plan: Any) -> None:
        assert alone.state.plans_under_way == 1
        double.invoke(2, pymonik=alone.scope)
        submit(plan)

    alone.backend.submit = record_and_submit
    alone.submitter.flush()
    assert (len(alone.backend.plans), len(alone.recorder.pending)) == (1, 1)
    assert alone.state.plans_under_way == 0


@pytest.mark.parametrize("sends_more", [False, True])
def test_what_a_finalizer_has_sent_amid_a_flush_is_not_sent_again(sends_more: bool) -> None:
    """It runs in this very thread, as where a backend is opened: no lock keeps it out."""
    alone = Submits()
    first = double.invoke(1, pymonik=alone.scope)
    later: list[Any] = []
    opened = alone.engine.opened

    def flush_and_open() -> Any:
        alone.engine.opened = opened  # type: ignore[method-assign]
        alone.submitter.flush()
        if sends_more:
            later.append(double.invoke(2, pymonik=alone.scope))
        return opened()

    alone.engine.opened = flush_and_open  # type: ignore[method-assign]
    alone.submitter.flush()
    assert [plan.calls for plan in alone.backend.plans] == [1] * (1 + sends_more)
    assert alone.recorder.pending == []
    assert all(handle._node.location is not None for handle in (first, *later))
    assert not alone.state.is_compiling


def test_a_second_thread_waits_for_the_flush_of_the_first() -> None:
    alone = Submits()
    double.invoke(1, pymonik=alone.scope)
    submit = alone.backend.submit
    others: list[Other] = []

    def submit_meanwhile(plan: Any) -> None:
        if not others:
            double.invoke(2, pymonik=alone.scope)
            others.append(Other(alone.submitter.flush))
            assert not others[0].has_ended  # it needs the lock, which is held here
        submit(plan)

    alone.backend.submit = submit_meanwhile
    alone.submitter.flush()
    others[0].value()
    assert [plan.calls for plan in alone.backend.plans] == [1, 1]


def test_a_flush_amid_a_flush_comes_too_early() -> None:
    """A finalizer of the user's runs anywhere, also in the thread that compiles."""
    alone = Submits()
    double.invoke(1, pymonik=alone.scope)
    number = alone.recorder.number

    def number_and_flush() -> None:
        number()
        assert alone.state.is_compiling
        alone.submitter.flush()

    alone.recorder.number = number_and_flush  # type: ignore[method-assign]
    alone.submitter.flush()
    assert [plan.calls for plan in alone.backend.plans] == [1]


def test_a_flush_amid_a_look_at_the_plan_sends_nothing() -> None:
    alone = Submits()
    handle = double.invoke(1, pymonik=alone.scope)
    number = alone.recorder.number

    def number_and_flush() -> None:
        number()
        alone.submitter.flush()

    alone.recorder.number = number_and_flush  # type: ignore[method-assign]
    assert len(alone.submitter.plan().units) == 1
    assert (alone.backend.plans, alone.recorder.pending) == ([], [handle._node])
    assert not alone.state.is_compiling


def test_nobody_waits_for_what_was_not_sent() -> None:
    alone = Submits()
    handle = double.invoke(1, pymonik=alone.scope)

    def fail(plan: Any) -> None:
        raise OSError("the wire is cut")

    alone.backend.submit = fail
    with pytest.raises(OSError, match="wire"):
        alone.submitter.flush()
    record = handle._node.location.record(0)
    assert type(record) is Failure
    assert "it was not sent: OSError" in record.message
    assert (alone.state.is_compiling, alone.state.plans_under_way) == (False, 0)
    assert alone.ended == [True]


def test_a_client_that_is_abandoned_while_it_compiles_sends_nothing() -> None:
    alone = Submits()
    double.invoke(1, pymonik=alone.scope)
    compile = alone.compiler.compile

    def abandon(graph: Any) -> Any:
        plan = compile(graph)
        alone.state.is_closed = True
        return plan

    alone.compiler.compile = abandon  # type: ignore[method-assign]
    alone.submitter.flush()
    assert alone.backend.plans == []
    with pytest.raises(NoClientError, match="closed"):
        alone.submitter.plan()


def test_a_handler_that_raises_behind_a_lock_leaves_it_free() -> None:
    """As that of Ctrl-C does, between the call that takes the lock and the block that frees it."""
    alone = Submits()
    double.invoke(1, pymonik=alone.scope)

    def interrupt(frame: Any, event: str, of: Any) -> None:
        if event == "c_return" and of.__name__ == "acquire" and _is_in(frame, "_wake_waits"):
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            alone.submitter.flush()
    finally:
        sys.setprofile(None)
    assert Other(lambda: is_free(alone.backend.changed)).value()


def _is_in(frame: Any, name: str) -> bool:
    """Return whether a frame is one of what a function of this name has called."""
    while frame is not None and frame.f_code.co_name != name:
        frame = frame.f_back
    return frame is not None
