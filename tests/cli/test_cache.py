"""`pymonik cache`: what is kept, why it is another, and how it goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

SCRIPT = """
from pymonik import Pymonik, task

def helper(x):
    return x * {factor}

@task(pure=True, cache=True)
def scaled(x):
    return helper(x)

with Pymonik(backend="inline"):
    print(scaled.map_invoke([1, 2]).get())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYMONIK_VALUES_FOLDER", str(tmp_path / "values"))
    return tmp_path / "values"


def test_values_are_listed_explained_and_cleared(
    pymonik_command: Command, command_here: Command
) -> None:
    for factor, expected in ((2, "[2, 4]"), (2, "[2, 4]"), (3, "[3, 6]")):
        done = pymonik_command("run", "script.py", script=SCRIPT.format(factor=factor))
        assert done.stdout.strip() == expected, done.stderr
    listed = command_here("cache", "list")
    assert listed.stdout.startswith("4 values, "), listed.stdout
    entries = json.loads(command_here("cache", "list", "scaled", "-o", "json").stdout)
    assert [entry["task"] for entry in entries] == ["scaled"] * 4
    told = command_here("cache", "explain", "scaled").stdout
    assert "newest" not in told
    assert "other code of helper than" in told
    assert "other argument 1 than" in told
    assert "known by code of scaled" in told
    assert command_here("cache", "explain", entries[0]["key"][:6]).stdout
    done = command_here("cache", "clear", "scale")
    assert done.returncode == 1
    assert "Did you mean 'scaled'?" in " ".join(done.stderr.replace("│", "").split())
    assert command_here("cache", "clear").stdout == "removed 4 values\n"
    assert command_here("cache", "list").stdout.startswith("0 values, ")


def test_explain_finds_the_values_of_other_code_among_many(
    pymonik_command: Command, command_here: Command
) -> None:
    script = SCRIPT.replace("[1, 2]", "range(30)")
    for factor in (2, 3):
        pymonik_command("run", "script.py", script=script.format(factor=factor))
    told = command_here("cache", "explain", "scaled", "-n", "3").stdout
    assert told.startswith("the newest 3 of 60; -n for more\n"), told
    assert told.count("other code of helper than") == 3, told
    assert "argument" not in told


MODULE = """
import deeper

class Model:
    def __init__(self, x):
        self.x = x

    def value(self):
        return self.x * deeper.FACTOR  {comment}
"""
WITH_MODULES = """
import tools
from pymonik import Pymonik, task

@task(pure=True, cache=True)
def valued(model):
    print("ran")
    return model.value()

@task(pure=True, cache=True)
def made(x):
    print("ran")
    return tools.Model(x).value()

with Pymonik(backend="inline"):
    print(valued.invoke(tools.Model(2)).get(), made.invoke(3).get())
"""


def test_changed_modules_make_values_anew(pymonik_command: Command) -> None:
    def run(factor: int, comment: str) -> list[str]:
        files = {
            "script": WITH_MODULES,
            "tools": MODULE.format(comment=comment),
            "deeper": f"FACTOR = {factor}",
        }
        done = pymonik_command("run", "script.py", **files)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert run(10, "") == ["ran", "ran", "20", "30"]
    assert run(10, "# a comment") == ["20", "30"]
    # Longer than before: Python itself tells files of one second apart by their sizes only.
    assert run(110, "# a comment") == ["ran", "ran", "220", "330"]


@pytest.mark.parametrize("verb", ["explain", "clear"])
def test_what_is_not_kept_is_told(command_here: Command, verb: str) -> None:
    done = command_here("cache", verb, "nobody")
    assert done.returncode != 0
    assert "no value of a task 'nobody' is kept" in " ".join(done.stderr.replace("│", "").split())


def test_a_name_of_nothing_is_that_of_no_task(
    pymonik_command: Command, command_here: Command
) -> None:
    pymonik_command("run", "script.py", script=SCRIPT.format(factor=2))
    done = command_here("cache", "explain", "")
    assert done.returncode != 0
    assert "no value of a task '' is kept" in " ".join(done.stderr.replace("│", "").split())
