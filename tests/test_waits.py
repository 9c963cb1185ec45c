"""Locks are yielded while a wait of their thread sleeps, and held again behind it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from pymonik.system import conditions, held_locks, waits
from pymonik.system.conditions import Latch, SafeCondition
from pymonik.system.held_locks import held_here
from pymonik.system.waits import PatientLock, yielding_lock, yielding_locks
from tests.conformance.seams import PATIENCE, Other, held_elsewhere, until
from tests.interruption import Interruption, is_free

pytestmark = pytest.mark.yielding


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in (conditions, waits):
        monkeypatch.setattr(module, "MOMENT", 0.01)
    yield
    assert held_here() == []


def on_a_condition(bring: Callable[[Callable[[], None]], None]) -> None:
    condition, come = SafeCondition(), list[int]()

    def tell() -> None:
        with condition:
            come.append(1)
            condition.notify_all()

    bring(tell)
    with condition:
        assert condition.wait_for(lambda: come, PATIENCE)


def on_a_latch(bring: Callable[[Callable[[], None]], None]) -> None:
    latch = Latch()
    bring(latch.open)
    latch.wait()


def on_a_role(bring: Callable[[Callable[[], None]], None]) -> None:
    role, taken, over = PatientLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with role:
            taken.set()
            assert over.wait(PATIENCE)

    holding = Other(hold)
    assert taken.wait(PATIENCE)
    bring(over.set)
    with role:
        pass
    holding.join()


@pytest.mark.parametrize("wait", [on_a_condition, on_a_latch, on_a_role])
def test_what_is_waited_for_may_need_locks_that_who_waits_holds(wait: Callable[..., None]) -> None:
    first, second, changed = yielding_lock(), yielding_lock(), SafeCondition()
    others: list[Other] = []

    def bring(tell: Callable[[], None]) -> None:
        def come() -> None:
            with second, first, changed:
                tell()

        others.append(Other(come))

    with first, second, changed, first:
        wait(bring)
        assert len(held_here()) == 3
        for lock in (first, second, changed):
            assert not Other(partial(is_free, lock)).value()
    for lock in (first, second, changed):
        assert Other(partial(is_free, lock)).value()
    others[0].value()


def test_of_locks_to_be_taken_again_none_is_held_while_another_is_waited_for() -> None:
    """Who has that one may be waiting for the first."""
    first, second = yielding_lock(), yielding_lock()
    condition, come, has_second = SafeCondition(), list[int](), threading.Event()

    def cross() -> None:
        with second:
            has_second.set()
            with condition:
                come.append(1)
                condition.notify_all()
            # Now the other is through with its wait, and is about to take both again.
            until(lambda: not condition._waiters)
            with condition, first:
                come.append(2)

    with first, second:
        crossing = Other(cross)
        with condition:
            assert condition.wait_for(lambda: come, PATIENCE)
            assert come == [1, 2]
    crossing.value()
    assert has_second.is_set()


def test_a_wait_goes_on_where_what_has_come_is_gone_once_all_locks_are_held() -> None:
    lock, condition, come = yielding_lock(), SafeCondition(), list[int]()
    again = threading.Event()

    def bring() -> None:
        with lock:
            with condition:
                come.append(1)
                condition.notify_all()
            until(lambda: not condition._waiters)  # it has seen that, and waits for `lock`
            with condition:
                come.clear()
        until(lambda: condition._waiters)
        with condition:
            again.set()
            come.append(2)
            condition.notify_all()

    with lock:
        bringing = Other(bring)
        with condition:
            assert condition.wait_for(lambda: come, PATIENCE) == [2]
            assert again.is_set()
    bringing.value()


def test_locks_that_are_taken_in_two_orders_are_yielded_while_one_is_waited_for() -> None:
    """As by a finalizer amid a section, and by another section, one within the other."""
    first, second, has_second = yielding_lock(), yielding_lock(), threading.Event()

    def cross() -> None:
        with second:
            has_second.set()
            with first:
                pass

    with first:
        crossing = Other(cross)
        assert has_second.wait(PATIENCE)
        with second:
            assert len(held_here()) == 2
    crossing.value()


def test_behind_a_sleep_locks_are_yielded_while_that_of_the_condition_is_waited_for() -> None:
    """Who holds it may want one of them, before the wait has slept for long."""
    lock, condition, has_condition = yielding_lock(), SafeCondition(), threading.Event()

    def cross() -> None:
        with condition:
            has_condition.set()
            with lock:
                pass

    with lock, condition:
        crossing = Other(cross)
        condition.wait(0.001)
        assert len(held_here()) == 2
    crossing.value()


def test_a_time_holds_for_the_whole_wait() -> None:
    lock, condition = yielding_lock(), SafeCondition()
    with lock, condition:
        assert not condition.wait_for(lambda: False, 0.05)
        assert len(held_here()) == 2


def test_a_lock_whose_check_fails_is_not_yielded_but_the_wait_refused() -> None:
    def check() -> None:
        raise RuntimeError("it is half made")

    lock, condition = yielding_lock(check), SafeCondition()
    with lock:
        with condition, pytest.raises(RuntimeError, match="half made"):
            condition.wait_for(lambda: False, PATIENCE)
        role = PatientLock()
        with held_elsewhere(role), pytest.raises(RuntimeError, match="half made"), role:
            raise AssertionError
        assert not Other(partial(is_free, lock)).value()
    assert Other(partial(is_free, lock)).value()


def test_a_lock_lives_no_longer_than_its_owner() -> None:
    before = len(waits.held_here.__globals__["_ALL"])
    condition: Any = SafeCondition()
    assert len(waits.held_here.__globals__["_ALL"]) == before + 1
    del condition
    assert len(waits.held_here.__globals__["_ALL"]) == before


def test_the_end_of_a_lock_runs_no_function_of_python() -> None:
    """Ctrl-C amid one would be ignored there: what it raises has nowhere to go."""
    lock = yielding_lock()
    called: list[str] = []
    sys.setprofile(lambda frame, event, _: called.append(f"{event} {frame.f_code.co_name}"))
    del lock
    sys.setprofile(None)
    assert not [call for call in called if call.startswith("call")]


@pytest.mark.parametrize("is_held", [False, True])
def test_a_role_that_a_handler_interrupts_anywhere_is_free_behind_it(
    is_held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_locks, "_ALL", {})  # without those of other tests: each is a place
    place, is_through = 0, False
    while not is_through:
        place += 1
        role, lock, over = PatientLock(), yielding_lock(), threading.Event()
        taken, holding = threading.Event(), None

        def hold(role: Any = role, lock: Any = lock, taken: threading.Event = taken) -> None:
            with role:
                taken.set()
                with lock:  # given only while the other one waits
                    pass

        with Interruption(place, ("pymonik.system.",)) as interruption, lock:
            if is_held:
                holding = Other(hold)
                taken.wait(PATIENCE)
            with role:
                over.set()
        is_through = not interruption.has_come
        if holding is not None:
            holding.value()
        assert Other(partial(is_free, lock)).value(), place
        assert Other(partial(is_free, role)).value(), place
    assert over.is_set()
    assert place > 2


def test_nothing_is_paid_where_no_lock_is_held() -> None:
    assert yielding_locks(lambda: 3) == 3
