"""`--execute`: the script runs to its end here, and all that it submitted is looked at."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

STEPS = """
import sys
from pymonik import Pymonik, task

@task(cost=0.5)
def square(x):
    return x * x

@task(cost=2)
def total(values):
    return sum(values)

@task
def count(tree):
    if not isinstance(tree, list):
        return 1
    return total.invoke(count.map_invoke(tree))

with Pymonik():
    squares = square.map_invoke(range(20))
    first = total.invoke(squares).get()
    more = [square.invoke(x) for x in range(first // 500)]
    both = total.invoke([squares[1], more[1]])
    print(both.get(), count.invoke([1, [2, 3]]).get())
"""


def shown(command: Command, *args: str, steps: str = STEPS) -> Any:
    done = command("graph", "show", "--execute", *args, "-o", "json", "steps.py", steps=steps)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


CANCELLED = """
import time
from pymonik import Pymonik, task

@task
def wait(x):
    time.sleep(3600)

with Pymonik() as client:
    wait.map_invoke(range(3))
    client.flush()
    client.cancel()
"""


def test_what_the_script_cancels_has_not_failed(pymonik_command: Command) -> None:
    made = shown(pymonik_command, "--view", "units", steps=CANCELLED)
    assert [box["status"] for box in made["boxes"]] == ["cancelled"]


def test_all_submissions_are_one_graph(pymonik_command: Command) -> None:
    made = shown(pymonik_command)
    names = [box["titles"][0] for box in made["boxes"]]
    calls = [(box["titles"][0], box["count"]) for box in made["boxes"][:4]]
    assert sorted(calls) == [("count", 1), ("square", 4), ("square", 20), ("total", 2)]
    figures = made["figures"]
    assert (figures["submissions"], figures["calls"]) == (3, 27)
    assert {kind["kind"]: kind["requests"] for kind in figures["requests"]} == {
        "declare": 3,
        "create": 3,
        "submit": 3,
    }
    assert names[4:] == ["count", "count", "total", "total"]


def test_sub_tasks_hang_below_their_makers(pymonik_command: Command) -> None:
    made = shown(pymonik_command)
    made_by = [link for link in made["links"] if link["kind"] != "values"]
    assert [made["boxes"][link["source"]]["titles"] for link in made_by] == [["count"]] * 4
    assert {link["kind"] for link in made_by} == {"made", "delegated"}


def test_sub_tasks_that_are_known_to_be_short_are_shown_as_the_others(
    pymonik_command: Command,
) -> None:
    short = STEPS.replace("@task\ndef count", "@task(cost=1e-6)\ndef count")
    made = shown(pymonik_command, steps=short.replace("cost=2", "cost=1e-6"))
    assert sum(link["kind"] != "values" for link in made["links"]) == 4


def test_the_view_of_units_is_what_ran(pymonik_command: Command) -> None:
    made = shown(pymonik_command, "--view", "units")
    assert {box["status"] for box in made["boxes"]} == {"done"}
    assert any("made by count" in box["notes"] for box in made["boxes"])


def test_a_call_that_fails_is_drawn_as_failed(pymonik_command: Command) -> None:
    done = pymonik_command(
        *("graph", "show", "--execute", "--view", "units", "-o", "json", "steps.py"),
        steps=STEPS.replace("return x * x", "return 1 / (x - 30) + 1 / x"),
    )
    assert "ZeroDivisionError" in done.stderr
    statuses = {box["titles"][0]: box["status"] for box in json.loads(done.stdout)["boxes"]}
    assert statuses == {"square": "failed", "total": "failed"}


def test_a_script_that_fails_before_it_sends_anything_ends_with_1(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "show", "--execute", "bad.py", bad="1 / 0\n")
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_the_cost_is_that_of_all_submissions_in_turn(pymonik_command: Command) -> None:
    args = ("graph", "cost", "--execute", "-o", "json", "--slots", "4", "steps.py")
    made = json.loads(pymonik_command(*args, steps=STEPS).stdout)
    durations = {one["task"]: (one["calls"], one["seconds"]) for one in made["durations"]}
    assert durations["square"] == (24, 0.5)
    assert durations["total"] == (2, 2.0)
    assert made["work"] == pytest.approx(24 * 0.5 + 2 * 2 + made["durations"][-1]["seconds"], abs=1)
    assert made["span"] >= 0.5 + 2 + 0.5 + 2
    assert made["figures"]["submissions"] == 3


def test_the_sub_tasks_are_told_beside_the_cost(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "cost", "--execute", "steps.py", steps=STEPS)
    assert "submissions  3, one after another" in done.stdout
    assert "beside these, its tasks made 6 units, which took" in done.stdout


def test_what_was_executed_is_saved_checked_compared_and_submitted(
    pymonik_command: Command, tmp_path: Path
) -> None:
    saved = pymonik_command("graph", "save", "--execute", "all.pmk", "steps.py", steps=STEPS)
    assert saved.stdout == "wrote all.pmk: 27 calls\n"
    same = pymonik_command("graph", "diff", "--execute", "--exit-code", "all.pmk", "steps.py")
    assert (same.returncode, same.stdout) == (0, "0 changes\n")
    checked = pymonik_command("graph", "check", "--execute", "steps.py")
    assert "0 findings" in checked.stdout
    ran = pymonik_command("submit", "all.pmk", "-o", "json")
    values = json.loads(ran.stdout)["values"]
    assert values["count at steps.py:24"] == 3
    assert values["total at steps.py:23"] == 2


def test_a_function_of_a_module_is_executed(pymonik_command: Command) -> None:
    source = (
        STEPS.partition("with Pymonik")[0]
        + "\ndef both():\n    return total.invoke([1, 2]).get()\n"
    )
    args = ("graph", "show", "--execute", "-o", "json", "jobs:both")
    done = pymonik_command(*args, jobs=source)
    assert json.loads(done.stdout)["figures"]["calls"] == 1
