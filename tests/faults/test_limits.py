"""`max_duration` is kept, call by call, by the host: at its deadline the executor is killed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.errors import TaskFailed, TaskTimeout
from pymonik.runtime.host.process import Process
from pymonik.wire.journal import DEADLINE, ELEMENT
from tests.conformance.seams import until
from tests.conftest import Gate, Ledger

from .conftest import Wake

# For calls that never end.
LIMIT = 1.0
# For those beside others, which no machine takes so long for.
HOUR = 3600.0


@task
def hang(path: str | None = None) -> None:
    """Never return; hold the pipe at `path`, if given, for as long as this process lives."""
    if path is not None:
        os.open(path, os.O_WRONLY)
    threading.Event().wait()


@task
def square(x: int) -> int:
    return x * x


@task
def hang_on(x: int, bad: int, path: str | None = None) -> int:
    if path is not None:
        with open(path, "a") as lines:
            lines.write(f"{x}\n")
    if x == bad:
        threading.Event().wait()
    return x


Watch = Callable[[int, int], bool]


@pytest.fixture
def watch_limits(monkeypatch: pytest.MonkeyPatch) -> Callable[[Watch], None]:
    """Show a test each element that runs, and its deadline; let those be over that it chooses.

    It chooses one that hangs: no other call is about to begin on its page.
    """
    is_overdue = Process.is_overdue

    def begin(is_chosen: Watch) -> None:
        def looks(self: Process) -> bool:
            numbers = self._page.numbers
            element, deadline = numbers[ELEMENT], numbers[DEADLINE]
            if deadline and is_chosen(element, deadline):
                numbers[DEADLINE] = deadline - int(HOUR * 1e9)
            return is_overdue(self)

        monkeypatch.setattr(Process, "is_overdue", looks)

    return begin


@pytest.mark.parametrize("limit", [LIMIT, timedelta(seconds=LIMIT)])
def test_a_call_that_outlives_its_limit_times_out(client: Pymonik, limit: Any) -> None:
    h = hang.invoke(pmk_max_duration=limit)
    with pytest.raises(TaskTimeout, match="max_duration") as caught:
        h.get()
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, TaskFailed)
    assert caught.value.task == "hang"
    assert square.invoke(3).get() == 9


def test_the_rest_of_its_unit_continues(
    client: Pymonik, ledger: Ledger, watch_limits: Callable[[Watch], None]
) -> None:
    watch_limits(lambda element, _: element == 3 and "3" in ledger.lines())
    rows = [(i, 3, ledger.path) for i in range(8)]
    handles = hang_on.map_invoke(rows, pmk_max_duration=HOUR, pmk_chunk_size=8)
    assert isinstance(handles[3].exception(), TaskTimeout)
    assert [h.get() for i, h in enumerate(handles) if i != 3] == [0, 1, 2, 4, 5, 6, 7]
    # What its executor had not reported yet may run again; what timed out does not.
    assert set(ledger.lines()) == {str(i) for i in range(8)}
    assert ledger.lines().count("3") == 1


def test_a_timeout_is_not_tried_again(client: Pymonik, ledger: Ledger) -> None:
    h = hang_on.invoke(1, 1, ledger.path, pmk_max_duration=LIMIT, pmk_max_retries=3)
    assert isinstance(h.exception(), TaskTimeout)
    assert ledger.lines().count("1") <= 1  # none, where it was stopped before it began


def test_what_follows_carries_the_timeout(client: Pymonik) -> None:
    end = square.invoke(hang.invoke(pmk_max_duration=LIMIT))
    with pytest.raises(TaskTimeout) as caught:
        end.get()
    assert tuple(caught.value.path) == ("hang", "square")


def test_what_ran_before_it_in_its_unit_keeps_its_value(client: Pymonik, ledger: Ledger) -> None:
    first = hang_on.invoke(5, 99, ledger.path)
    end = hang_on.invoke(first, 5, pmk_max_duration=LIMIT)
    assert isinstance(end.exception(), TaskTimeout)
    assert first.get() == 5
    assert set(ledger.lines()) == {"5"}


def test_the_limit_is_of_each_call_and_not_of_the_unit(
    client: Pymonik, tmp_path: Path, watch_limits: Callable[[Watch], None]
) -> None:
    @task
    def work(x: int, path: str) -> int:
        open(path).close()
        return x

    deadlines: dict[int, int] = {}
    watch_limits(lambda element, deadline: deadlines.setdefault(element, deadline) == 0)
    gates = [Gate(tmp_path / f"{x}") for x in range(5)]
    rows = [(x, gate.path) for x, gate in enumerate(gates)]
    handles = work.map_invoke(rows, pmk_max_duration=HOUR, pmk_chunk_size=5)
    client.flush()
    for element, gate in enumerate(gates):
        until(lambda element=element: element in deadlines)
        gate.open()
    assert handles.get() == list(range(5))
    assert sorted(set(deadlines.values())) == [deadlines[element] for element in range(5)]


def test_a_task_that_ignores_signals_is_ended_too(client: Pymonik, wake: Wake) -> None:
    @task
    def stubborn(path: str) -> None:
        import signal

        os.open(path, os.O_WRONLY)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        while True:
            try:
                threading.Event().wait()
            except BaseException:
                continue

    h = stubborn.invoke(wake.path, pmk_max_duration=LIMIT)
    assert isinstance(h.exception(), TaskTimeout)
    wake.wait_for_the_end()


def test_the_default_has_no_limit_that_a_short_call_meets(client: Pymonik) -> None:
    assert square.map_invoke(range(100)).get() == [i * i for i in range(100)]


def test_processes_that_a_timed_out_task_started_end_with_it(
    client: Pymonik, wake: Wake, watch_limits: Callable[[Watch], None]
) -> None:
    @task
    def parent(path: str) -> None:
        import subprocess

        fd = os.open(path, os.O_WRONLY)
        subprocess.run(["sh", "-c", f"echo started >&{fd}; sleep 100000"], pass_fds=[fd])

    started = threading.Event()
    watch_limits(lambda *_: started.is_set())
    h = parent.invoke(wake.path, pmk_max_duration=HOUR)
    client.flush()
    wake.lines(1)
    started.set()
    assert isinstance(h.exception(), TaskTimeout)
    wake.wait_for_the_end()
