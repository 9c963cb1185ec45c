"""`max_duration` is kept, call by call, by the host: at its deadline the executor is killed."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.errors import TaskFailed, TaskTimeout
from tests.conftest import Ledger

from .conftest import Wake

# For calls that never end.
LIMIT = 1.0
# For those beside quick ones, which a loaded machine may stop for seconds.
LONG = 5.0


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


@pytest.mark.parametrize("limit", [LIMIT, timedelta(seconds=LIMIT)])
def test_a_call_that_outlives_its_limit_times_out(client: Pymonik, limit: Any) -> None:
    h = hang.invoke(pmk_max_duration=limit)
    with pytest.raises(TaskTimeout, match="max_duration") as caught:
        h.get()
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, TaskFailed)
    assert caught.value.task == "hang"
    assert square.invoke(3).get() == 9


def test_the_rest_of_its_unit_continues(client: Pymonik, ledger: Ledger) -> None:
    rows = [(i, 3, ledger.path) for i in range(8)]
    handles = hang_on.map_invoke(rows, pmk_max_duration=LONG, pmk_chunk_size=8)
    assert isinstance(handles[3].exception(), TaskTimeout)
    assert [h.get() for i, h in enumerate(handles) if i != 3] == [0, 1, 2, 4, 5, 6, 7]
    # What its executor had not reported yet may run again; what timed out does not, which may have
    # been stopped before it began.
    assert {*ledger.lines(), "3"} == {str(i) for i in range(8)}
    assert ledger.lines().count("3") <= 1


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


def test_the_limit_is_of_each_call_and_not_of_the_unit(client: Pymonik) -> None:
    @task
    def work(x: int) -> int:
        threading.Event().wait(LONG / 4)
        return x

    handles = work.map_invoke(range(5), pmk_max_duration=LONG, pmk_chunk_size=5)
    assert handles.get() == list(range(5))


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


def test_processes_that_a_timed_out_task_started_end_with_it(client: Pymonik, wake: Wake) -> None:
    @task
    def parent(path: str) -> None:
        import subprocess

        fd = os.open(path, os.O_WRONLY)
        os.write(fd, b"started\n")
        subprocess.run(["sleep", "100000"], pass_fds=[fd], check=False)

    h = parent.invoke(wake.path, pmk_max_duration=LONG)
    assert isinstance(h.exception(), TaskTimeout)
    wake.wait_for_the_end()
