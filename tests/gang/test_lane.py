"""The part of one executor in a unit that several run: what it does where there is none."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pymonik.runtime.executor import lane
from pymonik.runtime.executor.gang_part import run_lanes
from pymonik.runtime.executor.lane import Lanes, _Stopped, _TakenOver
from pymonik.system.memory_file import MemoryFile
from pymonik.values.outcome import Failure
from pymonik.wire.shared_cells import AGAIN, Gang, SharedCells

LANES = b"\0\1"
PROGRAM = SimpleNamespace(shared=SimpleNamespace(codes=(None, None)), sources=((), ()))


@pytest.mark.parametrize("member", [0, 1])
def test_who_comes_when_all_have_stopped_says_nothing_of_the_unit(member: int) -> None:
    file = SharedCells.new_file(len(LANES), 2)
    before = SharedCells(file.fd, len(LANES), 2)
    for place in range(len(LANES)):
        assert before.put(place, place)
    before.stop(AGAIN)
    # The unit has begun again in other memory: what is in this one counts no more.
    runner: Any = SimpleNamespace(outputs=(1,), steps=(), hosting=None)
    report = run_lanes(runner, Gang(file, LANES, 2, member, 2, False))
    assert report.is_late
    assert (report.start, report.stop) == (0, 0)


class _Clock:
    """Time that passes in sleeps alone. on_sleep: what happens meanwhile."""

    def __init__(self, on_sleep: Callable[[], object]) -> None:
        self._now, self._on_sleep = 0.0, on_sleep

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        self._on_sleep()


def _waiting(monkeypatch: pytest.MonkeyPatch, on_sleep: Callable[[SharedCells], object]) -> Lanes:
    """Return the part of the first of two executors, as it has begun."""
    file = SharedCells.new_file(len(LANES), 2)
    cells = SharedCells(file.fd, len(LANES), 2)
    monkeypatch.setattr(lane, "time", _Clock(lambda: on_sleep(cells)))
    assignment = SimpleNamespace(attempts={}, failed_calls={}, deaths={}, program=PROGRAM)
    runner: Any = SimpleNamespace(steps=[None] * 2, errors=[], assignment=assignment, began=0.0)
    return Lanes(runner, Gang(file, LANES, 2, 0, 2, False), cells, is_here=True)


def test_an_executor_that_comes_a_little_later_runs_its_own_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first to be told may take the core of the host, which has yet to tell the others."""
    lanes = _waiting(monkeypatch, lambda cells: cells.put(1, 7))
    lanes._await(1)
    assert lanes._made[1] == 7
    assert lanes._members == {0}


def test_the_part_of_an_executor_that_does_not_come_is_taken_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lanes = _waiting(monkeypatch, lambda cells: None)
    with pytest.raises(_TakenOver):
        lanes._await(1)
    assert lanes._members == {0, 1}


def test_the_part_of_an_executor_that_has_died_is_left_to_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It charges the death before the call that it was of may run again."""
    sleeps: list[int] = []

    def wait(cells: SharedCells) -> None:
        sleeps.append(1)
        if len(sleeps) == 1:  # it comes, and dies: its lock is free again
            SharedCells(cells._fd, len(LANES), 2, 1).come()
        if len(sleeps) == 100:  # the host has heard of it
            cells.stop(AGAIN)

    lanes = _waiting(monkeypatch, wait)
    with pytest.raises(_Stopped):
        lanes._await(1)
    assert lanes._members == {0}


def _coming(file: MemoryFile, member: int) -> SharedCells:
    return SharedCells(file.fd, len(LANES), 3, member)


def test_the_part_that_an_executor_had_taken_over_is_left_to_the_host_when_it_has_died() -> None:
    """Whoever comes later would run again the call that it has died of."""
    file = SharedCells.new_file(len(LANES), 3)
    # All of this process, to which its own locks are free, as those of a dead one are to others.
    assert _coming(file, 0).take(1)
    assert not _coming(file, 1).arrive()
    assert not _coming(file, 2).take(1)
    # It has not come, so that the host need not wait for it when it has heard of the death.
    assert not _coming(file, 2).has_come(1)
    assert _coming(file, 2).arrive()


@pytest.mark.parametrize("member", [0, 1])
def test_who_comes_when_its_part_was_taken_over_runs_none_of_it(
    monkeypatch: pytest.MonkeyPatch, member: int
) -> None:
    """By one that is dead: the first, which is to report, waits for the host to hear of it."""
    file = SharedCells.new_file(len(LANES), 2)
    cells = SharedCells(file.fd, len(LANES), 2, 1 - member)
    cells.come()
    assert cells.take(member)
    monkeypatch.setattr(lane, "time", _Clock(lambda: cells.stop(AGAIN)))
    assignment = SimpleNamespace(
        attempts={},
        failed_calls={},
        deaths={},
        completed_steps={},
        program=PROGRAM,
    )
    hosting = SimpleNamespace(
        contexts=SimpleNamespace(maker=lambda: None),
        page=SimpleNamespace(numbers=[0] * 9),
        subtasks=SimpleNamespace(recorded=[]),
        restore=SimpleNamespace(is_changed=lambda: False),
    )
    runner: Any = SimpleNamespace(
        outputs={0: 1}, steps=[None] * 2, errors=[], assignment=assignment, hosting=hosting
    )
    runner.use_steps = lambda steps: None
    report = run_lanes(runner, Gang(file, LANES, 2, member, 2, False))
    assert (report.start, report.stop, report.columns) == (0, 0, [[]])
    assert report.is_late is bool(member)


def test_failures_in_graphs_that_a_call_has_made_stand_beside_its_value() -> None:
    """Where its executor dies before it reports, the host finds them there."""
    file = SharedCells.new_file(len(LANES), 2)
    cells = SharedCells(file.fd, len(LANES), 2)
    inner, own = Failure("error", "inside", "made"), Failure("error", "itself", "a")
    errors: list[Failure] = []
    made = iter([7, own])

    def ran(*_: Any) -> Any:
        if not errors:
            errors.append(inner)
        return next(made)

    subtasks = SimpleNamespace(recorded=False, has_work=False, has_diverted=lambda: False)
    runner: Any = SimpleNamespace(
        outputs={},
        steps=[SimpleNamespace(columns=())] * 2,
        errors=errors,
        step=ran,
        assignment=SimpleNamespace(
            attempts={(0, 0): 1, (0, 1): 1}, failed_calls={}, deaths={}, program=PROGRAM
        ),
        hosting=SimpleNamespace(
            subtasks=subtasks,
            page=SimpleNamespace(numbers=[0] * 9),
        ),
    )
    lanes = Lanes(runner, Gang(file, LANES, 2, 0, 1, False), cells, is_here=True)
    lanes._left = 2
    lanes._call(0)
    lanes._call(1)
    assert cells.records() == {0: 7, 1: own}
    assert [failure.mark for failure in cells.failures()] == [inner.mark]
    assert errors == [inner, own]
