"""The surroundings that calls are recorded in, looked at by several threads at once."""

from __future__ import annotations

import decimal
import os
from collections.abc import Callable
from typing import Any

import pytest

from pymonik import Pymonik, Task
from pymonik.system import surroundings as rooms
from pymonik.system.surroundings import SurroundingsWatch


def _asked_amid(monkeypatch: pytest.MonkeyPatch, watch: SurroundingsWatch, name: str) -> list[Any]:
    """Have a function ask what has changed, as a call of another thread does amid the look."""
    real: Callable[[], Any] = getattr(rooms, name)
    others: list[Any] = []

    def looking() -> Any:
        monkeypatch.setattr(rooms, name, real)
        others.append(watch.changes())
        return real()

    monkeypatch.setattr(rooms, name, looking)
    return others


def test_a_call_relies_on_no_look_of_another_thread_that_has_not_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = SurroundingsWatch()
    monkeypatch.setitem(os.environ, "PMK_SEEN", "1")
    others = _asked_amid(monkeypatch, watch, "surroundings")
    changes = watch.changes()
    assert changes is not None
    assert dict(changes.variables) == {"PMK_SEEN": "1"}
    assert others == [changes]


def test_nor_where_the_look_takes_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = SurroundingsWatch()
    assert watch.changes() is None
    changed = rooms.process_settings()._replace(timeout=123.0)
    monkeypatch.setattr(rooms, "process_settings", lambda: changed)
    watch.look_again()
    others = _asked_amid(monkeypatch, watch, "process_settings")
    changes = watch.changes()
    assert changes is not None
    assert others == [changes]


@pytest.mark.parametrize("is_new", [False, True], ids=["as before", "new"])
def test_a_call_has_the_decimals_of_its_own_thread(
    monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    """Another thread, which has other ones, makes a call amid the comparison, or behind a look."""
    watch, others = SurroundingsWatch(), list[Any]()
    where, name = (watch, "_look") if is_new else (rooms, "glance")
    real = getattr(where, name)

    def looking() -> Any:
        monkeypatch.setattr(where, name, real)
        mine = real()
        with decimal.localcontext() as of_another:
            of_another.prec = 9
            others.append(watch.changes())
        return mine

    with decimal.localcontext() as own:
        own.prec = 5
        before = None if is_new else watch.changes()
        monkeypatch.setattr(where, name, looking)
        changes = watch.changes()
        assert changes is not others[0]
        assert before in (None, changes)
        assert watch.changes() is changes


def test_what_is_due_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = SurroundingsWatch()
    monkeypatch.setattr(watch, "_has_versions", True)
    assert watch.changes() is None
    watch.look_again()
    assert watch.looks_same()
    assert watch.looked is watch.due
    changed = rooms.process_settings()._replace(timeout=123.0)
    monkeypatch.setattr(rooms, "process_settings", lambda: changed)
    watch.look_again()
    assert not watch.looks_same()
    assert watch.looked is not watch.due  # left to `changes`
    assert watch.changes() is not None


def test_a_call_behind_a_flush_is_usual_again(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(abs)
    with Pymonik(backend="inline") as client:
        watch = client.recorder.specs.surroundings
        if watch is not None:  # as behind many calls
            monkeypatch.setattr(watch, "_has_versions", True)
        task.invoke(-1).get()
        task.invoke(-2).get()
        monkeypatch.setattr(client.recorder, "record_call", None)
        assert task.invoke(-3).get() == 3
