"""What one call and its value take, counted: messages, looks at sockets, functions entered."""

from __future__ import annotations

import statistics
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.client import arrivals, progress, submitter
from pymonik.runtime.host import loop
from pymonik.runtime.host.pool import ExecutorPool
from pymonik.runtime.host.process import Process
from pymonik.wire.journal import IDLE
from tests.conformance.programs import pass_gate
from tests.conformance.seams import until
from tests.conftest import Gate

# Of this package, from `invoke` to the value: about 171 with Python 3.11. Each costs about 0.2 µs,
# and more where others use the cores.
MOST_ENTERED = 179


@task
def same(value: int) -> int:
    return value


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pymonik]:
    # However long a loaded machine lets an executor wait, its pages are not looked at meanwhile.
    monkeypatch.setattr(loop, "_LOOK", 60.0)
    with Pymonik(backend="local", workers=1) as opened:
        for number in range(20):  # whatever is loaded, or looked at, the first time
            assert same.invoke(number).get() == number
        yield opened


def test_a_call_is_two_messages_and_one_look(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()
    pool = client.parts.engine.opened()._host._pool  # type: ignore[attr-defined]
    for kind, name in ((Process, "send"), (Process, "receive"), (ExecutorPool, "poll")):
        real = getattr(kind, name)

        # Of this client alone: what another test has left may still end, or start.
        def counted(self: Any, *args: Any, name: str = name, real: Any = real) -> Any:
            seen[name] += self is pool or self in pool._processes.values()
            return real(self, *args)

        monkeypatch.setattr(kind, name, counted)
    rounds = 50
    for number in range(rounds):
        assert same.invoke(number).get() == number
    # A look may end without news, where the host's own thread has begun it.
    assert seen["send"] == seen["receive"] == rounds
    assert seen["poll"] <= 2 * rounds


def test_a_loop_of_calls_tells_its_only_executor_nothing_of_others(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be told at the begin and at the end of each call."""
    pool = client.parts.engine.opened()._host._pool  # type: ignore[attr-defined]
    told: list[bool] = []
    monkeypatch.setattr(pool, "tell_idle", told.append)
    for number in range(20):
        assert same.invoke(number).get() == number
    assert not any(told)


@pytest.mark.parametrize(("workers", "expected"), [(1, 0), (2, 1)])
def test_who_runs_a_call_knows_whether_another_executor_has_nothing_to_do(
    workers: int, expected: int, gate: Gate
) -> None:
    with Pymonik(backend="local", workers=workers) as client:
        for number in range(3):
            assert same.invoke(number).get() == number
        handle = pass_gate.invoke(gate.path, 1)
        client.flush()
        pool = client.parts.engine.opened()._host._pool  # type: ignore[attr-defined]
        until(lambda: any(process.call[0] >= 0 for process in pool._processes.values()))
        busy = [process for process in pool._processes.values() if process.call[0] >= 0]
        until(lambda: [process._page.numbers[IDLE] for process in busy] == [expected])
        gate.open()
        assert handle.get() == 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """For each time that somebody asks whether anybody looks on, who that would be: nobody does."""
    times: list[Any] = []
    for module in (progress, submitter):
        monkeypatch.setattr(module, "is_watched", times.append)
    return times


def test_a_short_call_does_not_ask_whether_anybody_looks_on(
    client: Pymonik, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a system call, and at a terminal a thread, for each."""
    monkeypatch.setattr(arrivals, "PATIENCE", 600.0)
    for number in range(20):
        assert same.invoke(number).get() == number
    assert asked == []


def test_a_short_wait_does_not_ask_whether_anybody_looks_on(
    client: Pymonik, asked: list[Any], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where its time is over either, as of one who looks in again and again."""
    monkeypatch.setattr(arrivals, "PATIENCE", 600.0)
    handle = pass_gate.invoke(gate.path, 1)
    client.flush()
    asked.clear()
    for timeout in (0.0, 1e-3, 1e-2):
        with pytest.raises(TimeoutError):
            handle.get(timeout)
    gate.open()
    assert handle.get() == 1
    assert asked == []


def test_a_long_call_asks_once_whether_anybody_looks_on(
    client: Pymonik, asked: list[Any], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "PATIENCE", 1e-3)
    opener = threading.Thread(target=lambda: (until(lambda: asked), gate.open()))
    opener.start()
    assert pass_gate.invoke(gate.path, 1).get() == 1
    opener.join()
    assert asked == [None]


def test_a_call_enters_few_functions(client: Pymonik) -> None:
    entered = [0]

    def note(frame: Any, event: str, arg: Any) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("pymonik."):
            entered[0] += 1

    counts = []
    for number in range(30):
        entered[0] = 0
        sys.setprofile(note)
        try:
            value = same.invoke(number).get()
        finally:
            sys.setprofile(None)
        assert value == number
        counts.append(entered[0])
    assert statistics.median(counts) <= MOST_ENTERED
