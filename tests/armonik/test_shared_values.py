"""Values of cached tasks, found again by the other programs of a session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task
from pymonik.emulator import Emulator
from tests.conftest import PATIENCE, Gate, Ledger, script_environment

from .conftest import Connect

PROGRAM = """
import sys
from pymonik import Pymonik, task

@task(pure=True, cache=True)
def square(x):
    with open(LEDGER, "a") as lines:
        lines.write(".\\n")
    return x * x

session, endpoint, LEDGER, *numbers = sys.argv[1:]
with Pymonik.attach(session, endpoint) as client:
    squares = square.map_invoke(int(n) for n in numbers)
    print(squares.get(), square.invoke(-1).get(), client.stats.reused)
"""


def cached(function: Any, **options: Any) -> Task[..., Any]:
    return Task(function, func_name="cached", pure=True, cache=True, **options)


def noting(ledger: Ledger) -> Task[..., Any]:
    path = ledger.path

    def note(x: Any) -> Any:
        with open(path, "a") as lines:
            lines.write(".\n")
        return x * 2

    return cached(note)


def test_another_program_reuses_values_of_the_session(
    cluster: Emulator, connect: Connect, ledger: Ledger, tmp_path: Path
) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)

    def run(*numbers: int) -> str:
        given = (client.session_id, cluster.endpoint, ledger.path, *numbers)
        done = subprocess.run(
            [sys.executable, script, *map(str, given)],
            env=script_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with connect() as client:
        client.create()
        assert run(1, 2, 3) == "[1, 4, 9] 1 0\n"
        assert len(ledger.lines()) == 4
        assert run(3, 4, 1) == "[9, 16, 1] 1 3\n"
        assert len(ledger.lines()) == 5


def test_joined_clients_reuse_values_of_each_other(
    cluster: Emulator, connect: Connect, ledger: Ledger
) -> None:
    double = noting(ledger)
    array = np.arange(100_000.0)
    with connect() as client:
        assert double.map_invoke(range(5)).get() == [0, 2, 4, 6, 8]
        large = double.invoke(array).get()
        with Pymonik.attach(client.session_id, cluster.endpoint) as other:
            again = noting(ledger).map_invoke(range(7), pymonik=other)
            assert other.plan().calls == 2
            assert again.get() == [0, 2, 4, 6, 8, 10, 12]
            assert (noting(ledger).invoke(array, pymonik=other).get() == large).all()
            assert other.stats.reused == 6
        assert len(ledger.lines()) == 8
        assert double.invoke(6).get() == 12
        assert len(ledger.lines()) == 8


def test_a_value_under_way_is_waited_for(
    cluster: Emulator, connect: Connect, gate: Gate, ledger: Ledger
) -> None:
    gate_path, path = gate.path, ledger.path

    def wait(x: int) -> int:
        with open(path, "a") as lines:
            lines.write(".\n")
        with open(gate_path) as opened:
            opened.read()
        return x + 1

    with connect() as client:
        first = cached(wait).invoke(1)
        client.flush()
        with Pymonik.attach(client.session_id, cluster.endpoint) as other:
            second = cached(wait).invoke(1, pymonik=other)
            other.flush()
            assert not second.done()
            gate.open()
            assert (first.get(), second.get()) == (2, 2)
    assert len(ledger.lines()) == 1


def test_a_known_value_is_an_argument_like_any_other(
    cluster: Emulator, connect: Connect, ledger: Ledger
) -> None:
    total = Task(lambda xs: sum(xs), func_name="total")
    with connect() as client:
        noting(ledger).map_invoke(range(5)).get()
        with Pymonik.attach(client.session_id, cluster.endpoint) as other:
            doubles = noting(ledger).map_invoke(range(6), pymonik=other)
            assert total.invoke(doubles[1:], pymonik=other).get() == 30
    assert len(ledger.lines()) == 6


def test_a_call_that_failed_is_made_anew(
    cluster: Emulator, connect: Connect, ledger: Ledger
) -> None:
    path = ledger.path

    def fail_once(x: int) -> int:
        with open(path, "a") as lines:
            lines.write(".\n")
        with open(path) as lines:
            if len(lines.readlines()) == 1:
                raise ValueError("not yet")
        return x

    with connect() as client:
        assert isinstance(cached(fail_once).invoke(1).exception(), ValueError)
        with Pymonik.attach(client.session_id, cluster.endpoint) as other:
            assert cached(fail_once).invoke(1, pymonik=other).get() == 1


def test_other_code_is_not_taken_for_the_same(cluster: Emulator, connect: Connect) -> None:
    with connect() as client:
        assert cached(lambda x: x + 1).invoke(1).get() == 2
        with Pymonik.attach(client.session_id, cluster.endpoint) as other:
            assert cached(lambda x: x + 2).invoke(1, pymonik=other).get() == 3
            assert other.stats.reused == 0


def test_tables_are_listed_once_and_own_ones_not_read(
    cluster: Emulator, connect: Connect, ledger: Ledger
) -> None:
    double = noting(ledger)
    with connect():
        for number in range(3):
            double.invoke(number).get()
        downloads = cluster.counters["DownloadResultData"].requests
    assert downloads == 3  # the values


@pytest.mark.usefixtures("trusting")
def test_who_caches_nothing_asks_nothing(cluster: Emulator, connect: Connect) -> None:
    with connect():
        assert Task(lambda x: x, func_name="same", pure=True).invoke(1).get() == 1
    assert cluster.counters["ListResults"].requests <= 1
