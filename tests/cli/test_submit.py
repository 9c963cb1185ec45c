"""`pymonik submit` tells all values, and what failed; checks and estimates fit this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pymonik.runtime.host.start_state import available_cpus

SCRIPT = """
from pymonik import Pymonik, task

@task
def inv(x):
    return 1 / x

with Pymonik():
    handles = inv.map_invoke([4, 0, 2])
    print([handle.exception() or handle.get() for handle in handles])
"""

FILE = """
from pymonik import Pymonik, materialize, task

open("table.csv", "w").write("3")

@task
def total(table, where):
    return len(open(table).read())

with Pymonik():
    print(total.invoke(materialize("table.csv", "data/table.csv"), WHERE).get())
"""


def test_values_are_told_beside_failures(pymonik_command: Callable[..., Any]) -> None:
    assert pymonik_command("graph", "save", "s.pmk", "s.py", s=SCRIPT).returncode == 0
    told = pymonik_command("submit", "s.pmk", "--backend", "inline")
    assert told.returncode == 1
    assert "[0.25, ZeroDivisionError('division by zero'), 0.5]" in told.stdout
    assert "inv at" in told.stderr
    assert "[1]: ZeroDivisionError: division by zero" in told.stderr
    told = pymonik_command("submit", "s.pmk", "--backend", "inline", "-o", "json")
    (values,) = json.loads(told.stdout)["values"].values()
    assert values == [0.25, "ZeroDivisionError('division by zero')", 0.5]


def test_a_file_that_travels_is_no_local_path(pymonik_command: Callable[..., Any]) -> None:
    told = pymonik_command("graph", "check", "--strict", "s.py", s=FILE.replace("WHERE", "'x'"))
    assert (told.returncode, "local path" in told.stdout) == (0, False)
    own = FILE.replace("WHERE", "__import__('os').path.abspath('table.csv')")
    told = pymonik_command("graph", "check", "--strict", "s.py", s=own)
    assert told.returncode == 1
    assert "'where'" in told.stdout


def test_an_estimate_for_this_machine_has_its_slots(pymonik_command: Callable[..., Any]) -> None:
    told = pymonik_command("graph", "cost", "--on", "local", "-o", "json", "s.py", s=SCRIPT)
    assert json.loads(told.stdout)["slots"] == {"": available_cpus()}
