"""A handler that raises, as that of Ctrl-C does, at every place of a flush where one can run."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik.system.conditions import SafeCondition
from pymonik.values.outcome import PENDING, Failure
from tests.conformance.seams import Other
from tests.interruption import Interruption, is_free

from .fakes import double
from .test_submitter import Submits


def ended_or_sent(alone: Submits, handle: Any) -> bool:
    """Return whether a wait for a call ends: its unit was sent, or it has failed and says why."""
    location, place = handle._node.location.at(handle._node.offset + handle._index)
    outputs, _ = location.locate(place)
    record = location.record(place)
    if record is PENDING:
        return any(unit.outputs is outputs for unit in alone.backend.units)
    return type(record) is Failure and "it was not sent: KeyboardInterrupt" in record.message


@pytest.mark.parametrize(
    ("calls", "step"), [(3, 37), pytest.param(1, 1, marks=pytest.mark.thorough)]
)
def test_no_call_is_left_bound_and_neither_sent_nor_failed(calls: int, step: int) -> None:
    """Else a wait for it never ends, or says that nothing will bring its value."""
    place, is_through, kinds = 0, False, set()
    while not is_through:
        place += step
        alone = Submits()
        double.invoke(0, pymonik=alone.scope)
        alone.submitter.flush()
        handles = [double.invoke(i, pymonik=alone.scope) for i in range(calls)]
        with Interruption(place) as interruption:
            alone.submitter.flush()
        is_through = not interruption.has_come
        kinds.add(demand_whole(alone, handles))
    assert place > 50
    assert "pending" in kinds


class Told(SafeCondition):
    """Notes for how many plans under way it has let those look again who wait."""

    def __init__(self, alone: Submits) -> None:
        super().__init__()
        self._alone = alone
        self.told: list[int] = []

    def look_again(self) -> None:
        super().look_again()
        self.told.append(self._alone.state.plans_under_way)


def test_who_waits_for_the_end_of_a_flush_is_told_wherever_it_is_interrupted() -> None:
    """As who closes the client, which is idle only once no plan is on its way."""
    place, is_through = 0, False
    while not is_through:
        place += 1
        alone = Submits()
        double.invoke(0, pymonik=alone.scope)
        alone.submitter.flush()
        alone.backend.changed = told = Told(alone)
        double.invoke(1, pymonik=alone.scope)
        with Interruption(place, ("pymonik.client.submitter", "pymonik.backend")) as interruption:
            alone.submitter.flush()
        is_through = not interruption.has_come
        is_sent = len(alone.backend.plans) == 2
        assert {*told.told} == {0} or not is_sent, place
    assert place > 5


def test_calls_that_are_bound_and_not_sent_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Submits()
    handles = [double.invoke(i, pymonik=alone.scope) for i in range(3)]

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(alone.submitter, "_note", interrupt)
    with pytest.raises(KeyboardInterrupt):
        alone.submitter.flush()
    assert demand_whole(alone, handles) == "failed"


def test_calls_of_which_some_are_bound_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Submits()
    handles = [double.invoke(i, pymonik=alone.scope) for i in range(3)]
    bind, maker = alone.compiler.maker.bind, alone.compiler.maker

    def interrupt(plan: Any) -> None:
        monkeypatch.setattr(maker, "bind", bind)
        bind(plan)
        handles[-1]._node.location = None
        raise KeyboardInterrupt

    monkeypatch.setattr(maker, "bind", interrupt)
    with pytest.raises(KeyboardInterrupt):
        alone.submitter.flush()
    assert demand_whole(alone, handles) == "failed"


def demand_whole(alone: Submits, handles: list[Any]) -> str:
    """Demand that each call is pending, or was sent, or has failed; return what they are."""
    assert (alone.state.is_compiling, alone.state.plans_under_way) == (False, 0)
    assert Other(lambda: is_free(alone.backend.changed)).value()
    assert Other(lambda: is_free(alone.state.lock)).value()
    was_pending = bool(alone.recorder.pending)
    if was_pending:  # all of it, for the next flush
        assert alone.recorder.pending == [handle._node for handle in handles]
        alone.submitter.flush()
    assert all(ended_or_sent(alone, handle) for handle in handles)
    units = alone.backend.units
    assert len(set(map(id, units))) == len(units)  # nothing was sent twice
    if was_pending:
        return "pending"
    return "sent" if handles[0]._node.location.record(0) is PENDING else "failed"
