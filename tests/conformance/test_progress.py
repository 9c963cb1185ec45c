"""Progress: a bar while waiting where stderr is a terminal, else nothing; events for programs."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.client.progress import Progress, watching
from tests.conftest import PATIENCE, Gate, script_environment
from tests.interruption import Interruption

from .conftest import Connect
from .programs import divide, square
from .seams import until


@task
def read(path: str) -> str:
    with open(path) as file:
        return file.read()


SCRIPT = """
import sys
from pymonik import Pymonik, task

@task
def blocked(path):
    return open(path).read()

with Pymonik(backend="local", workers=1):
    print(repr(blocked.invoke(sys.argv[1]).get()))
"""


def test_progress_is_reported_to_programs(connect: Connect) -> None:
    seen: list[Any] = []
    with connect(on_progress=seen.append):
        square.map_invoke(range(20)).wait()
        before = len(seen)
        square.map_invoke(range(20)).wait()
    assert 0 < before < len(seen)


def test_progress_counts_failures_too(connect: Connect) -> None:
    seen: list[Any] = []
    with connect(on_progress=seen.append):
        divide.map_invoke([(1, 0), (1, 1)])[0].exception()
    assert seen[-1].failed == 1
    assert (seen[-1].done, seen[-1].share) == (seen[-1].total, 1.0)


def test_a_function_that_fails_takes_no_value_and_no_error_away(connect: Connect) -> None:
    def fail(progress: Progress) -> None:
        raise ValueError("told wrongly")

    with connect(on_progress=fail):
        assert square.invoke(3).get() == 9
        with pytest.raises(ZeroDivisionError):
            divide.invoke(1, 0).get()


def test_nobody_is_told_of_progress_after_a_wait_that_was_interrupted() -> None:
    """Wherever: the law goes through all places of it."""

    def watchers() -> list[str]:
        watchers = [one for one in threading.enumerate() if one.name == "pymonik-progress"]
        return [one.name for one in watchers if one.is_alive()]

    with Pymonik(backend="inline") as client:
        backend = client.parts.engine.opened()
        has_come, place = True, 0
        while has_come:
            place += 1
            told: list[Progress] = []
            modules = ("pymonik.", "contextlib", "threading")
            with Interruption(place, modules) as interruption, watching(backend, told.append):
                pass
            has_come = interruption.has_come
            until(lambda: not watchers())
    assert place > 10


@pytest.mark.asynchronous
def test_what_runs_is_counted_while_it_runs(connect: Connect, gate: Gate) -> None:
    seen: list[Progress] = []

    def look(progress: Progress) -> None:
        seen.append(progress)
        if progress.running and not any(one.running for one in seen[:-1]):
            gate.open()

    with connect(on_progress=look, workers=1):
        read.invoke(gate.path).get()
    assert max(progress.running for progress in seen) == 1
    assert all(progress.running + progress.done <= progress.total for progress in seen)


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(0, 12, 1.0), "0/12 units"),
        (Progress(4, 12, 2.0, running=3), "4/12 units, 3 running, about 4 s left"),
        (Progress(4, 12, 2.0, began=4), "4/12 units"),
        (Progress(12, 12, 2.0, failed=2), "12/12 units, 2 failed"),
        (Progress(0, 1200, 2.0, 1500, 3000), "0/1,200 units, 1.5 kB of 3 kB sent"),
    ],
)
def test_progress_is_told_in_words(progress: Progress, text: str) -> None:
    assert str(progress) == text


def test_the_time_left_is_that_of_the_pace_of_this_wait() -> None:
    assert Progress(10, 30, 5.0, began=5).seconds_left == 20.0
    assert Progress(5, 30, 5.0, began=5).seconds_left is None


def test_a_terminal_shows_a_bar_while_waiting(tmp_path: Path, gate: Gate) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), gate.path],
        env=script_environment(TERM="xterm-256color", COLUMNS="100"),
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    try:
        # The task waits at the gate until the bar was seen.
        shown, _, _ = select.select([ours], [], [], PATIENCE)
        assert shown
        text = b""  # of which a read may end amid a character
        while b"0/1 unit, 1 running" not in text:
            assert select.select([ours], [], [], PATIENCE)[0]
            text += os.read(ours, 65536)
        gate.open()
        out, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert (out, process.returncode) == ("''\n", 0)
